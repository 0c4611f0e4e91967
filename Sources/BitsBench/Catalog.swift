public import BitsCore
import BitsKernels

extension Measurement {
    /// Everything that can be measured on `device`, in the order of tables. A GPU is given as much as keeps it busy, and operands in turn of which none
    /// is left in its cache; names say what is measured, the same on every device.
    public static func all(on device: Device) -> [Measurement] {
        quantizationMeasurements(on: device) + linearMeasurements(on: device) + int8LinearMeasurements(on: device) + optimizerMeasurements(on: device)
            + generationMeasurements(on: device) + trainingMeasurements(on: device) + (device == .cpu ? readBandwidthMeasurements() : [])
            + decodingMeasurements(on: device) + (device == .cpu ? [] : largeModelMeasurements(on: device))
    }
}

extension Device {
    /// Sizes for the processor, and for a GPU.
    func size<T>(_ processor: T, gpu: T) -> T { self == .cpu ? processor : gpu }

    /// Operands of so many bytes each that are used in turn, so that none is still in a GPU's cache when its turn comes again.
    func rotation(byteCount: Int) -> Int { cudaProperties.map { max(1, 2 * $0.l2ByteCount / byteCount + 1) } ?? 1 }
}
