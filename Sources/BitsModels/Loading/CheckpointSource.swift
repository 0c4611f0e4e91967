public import BitsCore
public import BitsIO
public import BitsNN
public import BitsQuant

/// The entries of a checkpoint as a model's weights.
///
/// Large tensors stay in the file, where the device can read it there; small ones are copied, as touching them would bring megabytes of the file around
/// them into memory.
public struct CheckpointSource: WeightSource {
    public let checkpoint: Checkpoint
    public let names: [String]?

    public init(_ checkpoint: Checkpoint) {
        self.checkpoint = checkpoint
        names = checkpoint.names
    }

    public func entry(_ name: String) -> WeightEntry? { checkpoint[name].map(WeightEntry.init) }

    public func tensor(_ name: String, on device: Device) throws(ModelFileError) -> Tensor? {
        let isSmall = (checkpoint[name]?.byteCount ?? 0) < 1 << 20
        let tensor = try checkpoint.tensor(name, on: device, inPlace: !isSmall)
        if isSmall { checkpoint.release(name) }
        return tensor
    }

    public func release(_ name: String) { checkpoint.release(name) }
}
