public import BitsCore
package import BitsKernels

// Shapes: M = rows (all leading dimensions), K = input width, N = output width.

extension Tensor {
    /// `self · otherᵀ` of int8 tensors, [.., K] by [N, K] to int32 [.., N], exact; sums beyond int32 wrap around.
    ///
    /// Reference: `int8_linear_matmul`.
    public func int8Product(_ other: Tensor) -> Tensor {
        precondition(
            dtype == .int8 && other.dtype == .int8 && rank >= 1 && other.rank == 2 && width == other.shape[1],
            "int8 product of \(self) and \(other) transposed")
        let result = empty(shape.dropLast() + [other.shape[0]], .int32)
        device.run(Int8Product(elements, other.elements, into: result.slice, m: rows, n: other.shape[0], k: width))
        return result
    }

    /// What exact products of quantized tensors stand for.
    ///
    /// `result[i, j] = rn(fma(fl(fl(self[i, j] * rowScales[i]) * columnScales[j]), fl(1 / 127²), bias[j]))`
    ///
    /// - Parameters:
    ///   - rowScales: float32 [M], of the tensor that was multiplied.
    ///   - columnScales: float32 [N], of the tensor it was multiplied with.
    ///   - bias: [N], any floating-point type.
    ///   - dtype: of the result, rounded once.
    /// - Note: the reference rounds to float16 first, whatever is asked for. Reference: `int8_mm_dequant`.
    public func dequantizedInt8Product(rowScales: Tensor, columnScales: Tensor, bias: Tensor? = nil, to dtype: DType = .float16) -> Tensor {
        precondition(
            self.dtype == .int32 && rank >= 1 && rowScales.count == rows && columnScales.count == width,
            "products \(self) with scales \(rowScales) and \(columnScales)")
        let result = empty(shape, dtype)
        device.run(
            DequantizeInt8Product(
                elements, rowScales: rowScales.elements, columnScales: columnScales.elements, bias: bias?.elements, into: result.slice))
        return result
    }

    /// The product of an activation that has been quantized with an int8 weight, outlier columns multiplied as they are.
    ///
    /// ``BitsQuant/Int8Tensor/scaledProduct(_:bias:to:)`` plus `Σ self[i, k] * rn(W[j, k])` over the outlier columns k, in float32, with one rounding to the type
    /// of `self`; `rn` rounds to it too.
    ///
    /// - Parameters:
    ///   - quantized: `self`, with code 0 in the outlier columns; see ``quantizedInt8(outlierThreshold:)``.
    ///   - weight: [N, K].
    /// - Note: Reference: `int8_mixed_scaled_mm`.
    public func int8MixedProduct(quantized: Int8Tensor, weight: Int8Tensor, outlierColumns: [Int], bias: Tensor? = nil) -> Tensor {
        precondition(quantized.shape == shape, "a quantized tensor of shape \(quantized.shape) for one of \(shape)")
        var marks = [UInt8](repeating: 0, count: width)
        for column in outlierColumns { marks[column] = 1 }
        let outliers = Int8ScaledProduct.Outliers(elements, columns: device.upload(marks, as: .uint8))
        return quantized.product(weight, bias: bias, outliers: outliers, dtype: dtype)
    }
}

extension Int8Tensor {
    /// `self · weightᵀ (+ bias)`, [.., K] by [N, K] to [.., N], of what the codes stand for: exact products, rescaled as by
    /// ``BitsCore/Tensor/dequantizedInt8Product(rowScales:columnScales:bias:to:)``.
    ///
    /// Reference: `int8_scaled_mm`.
    public func scaledProduct(_ weight: Int8Tensor, bias: Tensor? = nil, to dtype: DType = .float16) -> Tensor {
        product(weight, bias: bias, outliers: nil, dtype: dtype)
    }

    func product(_ weight: Int8Tensor, bias: Tensor?, outliers: Int8ScaledProduct.Outliers?, dtype: DType) -> Tensor {
        precondition(
            weight.shape.count == 2 && shape[shape.count - 1] == weight.shape[1], "int8 product of \(shape) and \(weight.shape) transposed")
        let result = codes.empty(shape.dropLast() + [weight.shape[0]], dtype)
        device.run(Int8ScaledProduct(matrix, weight: weight.matrix, bias: bias?.elements, outliers: outliers, into: result.slice))
        return result
    }
}
