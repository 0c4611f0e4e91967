public import BitsCore
public import BitsIO
public import BitsNN
public import BitsQuant

/// The entries of a checkpoint as a model's weights.
///
/// Large tensors in floating point stay in the file, where the device can read it there, and take no memory that the system could not use otherwise. Small
/// ones are copied, as touching them would bring megabytes of the file around them into memory; and so is what is quantized: it is small for what it
/// does, lies at any byte of the file, in pages of 4 KB, and computing with it leaves no time to wait for either.
public struct CheckpointSource: WeightSource {
    public let checkpoint: Checkpoint
    public let names: [String]?

    public init(_ checkpoint: Checkpoint) {
        self.checkpoint = checkpoint
        names = checkpoint.names
    }

    public func entry(_ name: String) -> WeightEntry? { checkpoint[name].map(WeightEntry.init) }

    public func tensor(_ name: String, on device: Device) throws(ModelFileError) -> Tensor? {
        let copies = (checkpoint[name]?.byteCount ?? 0) < 1 << 20 || isQuantized(name)
        let tensor = try checkpoint.tensor(name, on: device, inPlace: !copies)
        if copies { checkpoint.release(name) }
        return tensor
    }

    public func release(_ name: String) { checkpoint.release(name) }

    /// Whether the entry holds codes, or stands beside them under their name: `weight` and `weight.absmax`.
    private func isQuantized(_ name: String) -> Bool {
        if checkpoint[name]?.dtype?.isFloatingPoint == false { return true }
        return name.lastIndex(of: ".").map { isQuantized(String(name[..<$0])) } ?? false
    }
}
