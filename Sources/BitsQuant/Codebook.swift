package import BitsKernels

/// The 256 values that 8-bit codes stand for, usually between -1 and 1; a block's scale multiplies them.
///
/// Values need not be in order. A number is quantized to the code of the nearest value; of two equally near ones, the one with the even rank wins.
/// Reference: the `code` and `quant_map` tensors.
public struct Codebook: Sendable, Equatable {
    /// The value of each code.
    public let values: [Float]

    /// A codebook of your own.
    ///
    /// - Parameter values: 256 of them, finite, none beyond 2^126.
    /// - Throws: ``QuantizationError/invalidCodebook(_:)``.
    public init(_ values: [Float]) throws(QuantizationError) {
        guard values.count == 256 else { throw .invalidCodebook("it has \(values.count) values; 8-bit codes need 256") }
        if let wrong = values.first(where: { !(abs($0) <= 0x1p126) }) {
            throw .invalidCodebook("it holds \(wrong); values have to be finite and no larger than 2^126")
        }
        self.values = values
    }

    init(unchecked values: [Float]) { self.values = values }

    /// Dynamic quantization with a sign: seven decades, finer towards 1. What quantization uses unless told otherwise, and signed optimizer statistics.
    ///
    /// Dettmers 2016, "8-Bit Approximations for Parallelism in Deep Learning", arXiv:1511.04561. Reference: `create_dynamic_map()`.
    public static let dynamic = Codebook(unchecked: dynamicValues(signed: true, exponentBits: 7, bits: 8))

    /// Dynamic quantization without a sign, twice as fine: second moments. Reference: `create_dynamic_map(signed=False)`.
    public static let dynamicUnsigned = Codebook(unchecked: dynamicValues(signed: false, exponentBits: 7, bits: 8))
}

extension Codebook {
    /// The values in ascending order, and the code of each where that is not its rank.
    package var sorted: (values: [Float], order: [UInt8]?) {
        if zip(values, values.dropFirst()).allSatisfy({ $0 <= $1 }) { return (values, nil) }
        let order = values.indices.sorted { values[$0] < values[$1] || (values[$0] == values[$1] && $0 < $1) }
        return (order.map { values[$0] }, order.map { UInt8($0) })
    }

    /// The values in a device's memory, which is shared.
    package func slice(on device: Device) -> Slice { device.constant(values) }
}
