public import BitsCore

/// What is wrong with a request to quantize, or with quantized data that was read.
public enum QuantizationError: Error, Equatable, Sendable {
    case unsupportedBlockSize(Int, supported: [Int])
    /// A codebook that cannot be made or used, and why.
    case invalidCodebook(String)
    /// A name that is no 4-bit format.
    case unknownFormat(String)
    /// Packed codes of `byteCount` bytes cannot be seen as elements of `storage`.
    case storageDoesNotFit(byteCount: Int, storage: DType)
    /// A threshold for outliers that is negative or not a number.
    case invalidOutlierThreshold(Float)
    /// Quantized data whose parts do not belong together: which part, what it should be, what it is.
    case inconsistentState(String, expected: String, found: String)
    /// The text that describes a quantized tensor cannot be read, and why.
    case malformedState(String)
    /// The device failed while values were read.
    case device(DeviceError)
}

extension QuantizationError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unsupportedBlockSize(let size, let supported):
            "block size \(size) is not supported; use one of \(supported.map(String.init).joined(separator: ", "))"
        case .invalidCodebook(let reason):
            "not a codebook: \(reason)"
        case .unknownFormat(let name):
            "'\(name)' is not a 4-bit format; use nf4 or fp4"
        case .storageDoesNotFit(let byteCount, let storage):
            "\(byteCount) bytes of 4-bit codes are not a whole number of \(storage.rawValue) elements; store them as uint8"
        case .invalidOutlierThreshold(let threshold):
            "outlier threshold \(threshold) is not supported; use 0 for none, or a positive number (6 as a rule)"
        case .inconsistentState(let part, let expected, let found):
            "\(part) of the quantized tensor should be \(expected), not \(found); the checkpoint is damaged or of another kind, download or quantize it again"
        case .malformedState(let reason):
            "quant_state cannot be read: \(reason); the checkpoint is damaged or of another kind, download or quantize it again"
        case .device(let error):
            "\(error)"
        }
    }
}
