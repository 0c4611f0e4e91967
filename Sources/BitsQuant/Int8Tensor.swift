public import BitsCore
package import BitsKernels

/// A tensor in int8 with one scale per row: weights and activations of LLM.int8().
public struct Int8Tensor: Sendable {
    /// int8, in the shape of the tensor that was quantized.
    public let codes: Tensor
    /// The rows' largest magnitudes: float32, one for each index of the leading dimensions. `SCB` in checkpoints.
    public let scales: Tensor
    /// The type that was quantized, which ``dequantized(to:)`` gives back.
    public let dtype: DType
    private let nonFiniteCount: Slice?

    private init(codes: Tensor, scales: Tensor, dtype: DType, nonFiniteCount: Slice?) {
        self.codes = codes
        self.scales = scales
        self.dtype = dtype
        self.nonFiniteCount = nonFiniteCount
    }

    /// Codes and scales from elsewhere.
    ///
    /// - Parameters:
    ///   - codes: int8 [.., K].
    ///   - scales: float32, one per row, in any shape.
    ///   - dtype: of what ``dequantized(to:)`` gives back, a floating-point type.
    /// - Throws: ``QuantizationError/inconsistentState(_:expected:found:)`` when types or counts do not fit.
    public init(codes: Tensor, scales: Tensor, dtype: DType = .float16) throws(QuantizationError) {
        precondition(dtype.isFloatingPoint, "codes of a \(dtype.rawValue) tensor")
        guard codes.dtype == .int8, codes.rank > 0 else {
            throw .inconsistentState("weight", expected: "int8, of one dimension or more", found: "\(codes.dtype.rawValue) \(codes.shape)")
        }
        let rows = codes.rows
        guard scales.dtype == .float32, scales.count == rows else {
            throw .inconsistentState("SCB", expected: "float32 [\(rows)]", found: "\(scales.dtype.rawValue) \(scales.shape)")
        }
        self.init(codes: codes, scales: scales.reshaped([rows]), dtype: dtype, nonFiniteCount: nil)
    }

    /// Quantizes the weight of a layer: rounded to float16 first, as checkpoints are made, then row by row; nothing is an outlier.
    public init(weight: Tensor) {
        self.init(weight.cast(to: .float16), outlierThreshold: 0, outliers: nil, dtype: weight.dtype)
    }

    /// Quantizes `input`; see ``BitsCore/Tensor/quantizedInt8(outlierThreshold:)``.
    init(_ input: Tensor, outlierThreshold: Float, outliers: Slice?, dtype: DType) {
        precondition(input.dtype.isFloatingPoint && input.rank > 0, "quantization of a \(input.dtype.rawValue) tensor of shape \(input.shape)")
        let device = input.device
        let codes = input.empty(input.shape, .int8)
        let (scales, nonFiniteCount) = counted(as: .statistics) {
            (device.allocate(.float32, count: input.rows), device.allocate(.int64, count: 1))
        }
        device.run(
            QuantizeInt8Rows(
                input.elements, columns: input.width, threshold: outlierThreshold, codes: codes.slice, scales: scales, outliers: outliers,
                nonFiniteCount: nonFiniteCount))
        self.init(codes: codes, scales: Tensor(scales, shape: [scales.count]), dtype: dtype, nonFiniteCount: nonFiniteCount)
    }

    public var shape: [Int] { codes.shape }
    public var device: Device { codes.device }
    /// Bytes of codes and scales.
    public var byteCount: Int { codes.count + scales.count * 4 }

    /// The numbers that the codes stand for: `fl(fl(code * scale) * fl(1 / 127))`, rounded once to `dtype` (default: the type that was quantized).
    ///
    /// Reference: `int8_vectorwise_dequant`.
    public func dequantized(to dtype: DType? = nil) -> Tensor {
        let result = codes.empty(shape, dtype ?? self.dtype)
        device.run(DequantizeInt8(matrix, into: result.slice))
        return result
    }

    /// Rows `indices` of a matrix [V, D]: [..] int32 or int64 to [.., D], as `dtype` (default: the type that was quantized). Only these are
    /// dequantized. An index outside the matrix gives zeros.
    public func rows(_ indices: Tensor, dtype: DType? = nil) -> Tensor {
        precondition(shape.count == 2 && !indices.dtype.isFloatingPoint, "rows \(indices) of an int8 tensor of shape \(shape)")
        let result = codes.empty(indices.shape + [shape[1]], dtype ?? self.dtype)
        device.run(GatherInt8(matrix, rows: indices.elements, into: result.slice))
        return result
    }

    /// How many of the elements that were quantized here were NaN or infinite; 0 for a tensor read from a file.
    ///
    /// - Throws: the first error of the work that leads here.
    public func nonFiniteInputCount() throws(DeviceError) -> Int { try nonFiniteCount?.downloadIntegers()[0] ?? 0 }

    /// The same on `device`.
    ///
    /// - Throws: the first error of the work that leads here.
    public func moved(to device: Device) throws(DeviceError) -> Int8Tensor {
        if device == self.device { return self }
        return Int8Tensor(codes: try codes.moved(to: device), scales: try scales.moved(to: device), dtype: dtype, nonFiniteCount: nil)
    }

    /// The operand of the kernels.
    package var matrix: Int8Matrix { Int8Matrix(codes: codes.elements, scales: scales.elements, columns: codes.width) }
}

extension Tensor {
    /// The last dimension.
    var width: Int { shape[rank - 1] }
    /// The product of all others.
    var rows: Int { shape.dropLast().reduce(1, *) }
}
