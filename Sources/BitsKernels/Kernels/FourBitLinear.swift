/// A weight matrix in 4 bits, as the fused products read it.
///
/// `W[n, k] = code[c] * scale[e / blockSize]` with `e = n * columns + k` and `c` the e-th nibble (even elements in the high nibble). Blocks are flat and may span rows.
/// Scales are float32, or double-quantized: `scale[b] = fl(fl(nestedCode[absmaxCodes[b]] * nestedAbsmax[b / nestedBlockSize]) + nestedOffset)`.
package struct FourBitMatrix: OperandGroup {
    package enum Scales: Sendable {
        /// float32 [blocks]
        case plain(Slice)
        /// uint8 [blocks], float32 [256], float32 [nested blocks], float32 [1]
        case nested(codes: Slice, code: Slice, absmax: Slice, offset: Slice, blockSize: Int)
    }

    /// The packed bytes, seen as uint8.
    package var packed: Slice
    package var rows: Int
    package var columns: Int
    package var blockSize: Int
    /// float32 [16]
    package var code: Slice
    package var scales: Scales

    package init(packed: Slice, rows: Int, columns: Int, blockSize: Int, code: Slice, scales: Scales) {
        precondition(packed.byteCount >= (rows * columns + 1) / 2, "\(packed.byteCount) bytes for a 4-bit matrix [\(rows), \(columns)]")
        precondition(code.count == 16, "a 4-bit code has 16 entries, not \(code.count)")
        (self.packed, self.rows, self.columns, self.blockSize, self.code, self.scales) = (packed, rows, columns, blockSize, code, scales)
    }

    package static let operandList: OperandList<Self> = [
        .reads("packed", \.packed), .reads("code", \.code),
        .visiting { matrix, visitor in
            switch matrix.scales {
            case .plain(var absmax):
                visitor.reads("absmax", &absmax)
                matrix.scales = .plain(absmax)
            case .nested(var codes, var code, var absmax, var offset, let blockSize):
                visitor.reads("absmaxCodes", &codes)
                visitor.reads("nestedCode", &code)
                visitor.reads("nestedAbsmax", &absmax)
                visitor.reads("nestedOffset", &offset)
                matrix.scales = .nested(codes: codes, code: code, absmax: absmax, offset: offset, blockSize: blockSize)
            }
        },
    ]
}

/// `output[M, rows] = input[M, columns] · Wᵀ (+ bias)` without a copy of the weight; sums in float32, one rounding to the output's type. With an `update`, W
/// stands for `W + update`.
///
/// With a precision of 16 bits the input and `code * scale` are rounded to it first. A device may round `code` alone and multiply with the scale in float32,
/// which is as near to the product, and nearer than the original is for one row. Reference: `matmul_4bit`.
package struct FourBitLinear: Kernel {
    package static let name = "four_bit_linear"
    package var input: Slice
    package var weight: FourBitMatrix
    package var update: LowRankUpdate?
    package var bias: Slice?
    package var output: Slice
    package var precision: ProductPrecision

    package init(
        _ input: Slice, weight: FourBitMatrix, update: LowRankUpdate? = nil, bias: Slice?, into output: Slice, precision: ProductPrecision
    ) {
        precondition(
            input.count % max(weight.columns, 1) == 0 && output.count == input.count / max(weight.columns, 1) * weight.rows,
            "4-bit linear [\(weight.rows), \(weight.columns)] of \(input.count) elements into \(output.count)")
        (self.input, self.weight, self.update, self.bias, self.output, self.precision) = (input, weight, update, bias, output, precision)
        update?.checkShape(of: weight, m: m)
    }

    package static let operandList: OperandList<Self> = [
        .reads("input", \.input), .group("weight", \.weight), .group("update", \.update), .reads("bias", \.bias), .writes("output", \.output),
    ]

    package var m: Int { weight.columns == 0 ? 0 : input.count / weight.columns }

    /// The product with the weight alone.
    var withoutUpdate: FourBitLinear { FourBitLinear(input, weight: weight, bias: bias, into: output, precision: precision) }

    /// `scale * input · downᵀ`, where somebody asks for it or there is `room` for it.
    func narrowProduct(_ update: LowRankUpdate, room: () -> Slice) -> ScaledProduct {
        ScaledProduct(
            update.scale, input, update.down, into: update.narrow ?? room(), m: m, n: update.rank, k: weight.columns, transposesB: true,
            precision: precision)
    }

    /// Adds the product of what ``narrowProduct(_:room:)`` gives with `up` to the output.
    func addition(of narrow: Slice, _ update: LowRankUpdate) -> MatrixProduct {
        MatrixProduct(
            narrow, update.up, into: output, m: m, n: weight.rows, k: update.rank, transposesB: true, accumulates: true, precision: precision)
    }
}

/// `inputGradient[M, columns] = outputGradient[M, rows] · W`, the gradient of ``FourBitLinear`` for its input, without a copy of the weight. With an `update`, W
/// stands for `W + update`.
package struct FourBitLinearInputGradient: Kernel {
    package static let name = "four_bit_linear_input_gradient"
    package var outputGradient: Slice
    package var weight: FourBitMatrix
    package var update: LowRankUpdate?
    package var inputGradient: Slice
    package var precision: ProductPrecision

    package init(
        _ outputGradient: Slice, weight: FourBitMatrix, update: LowRankUpdate? = nil, into inputGradient: Slice, precision: ProductPrecision
    ) {
        precondition(
            outputGradient.count % max(weight.rows, 1) == 0 && inputGradient.count == outputGradient.count / max(weight.rows, 1) * weight.columns,
            "4-bit linear gradient [\(weight.rows), \(weight.columns)] of \(outputGradient.count) elements into \(inputGradient.count)")
        (self.outputGradient, self.weight, self.update, self.inputGradient) = (outputGradient, weight, update, inputGradient)
        self.precision = precision
        update?.checkShape(of: weight, m: m)
    }

    package static let operandList: OperandList<Self> = [
        .reads("outputGradient", \.outputGradient), .group("weight", \.weight), .group("update", \.update), .writes("inputGradient", \.inputGradient),
    ]

    package var m: Int { weight.rows == 0 ? 0 : outputGradient.count / weight.rows }

    /// The product with the weight alone.
    var withoutUpdate: FourBitLinearInputGradient {
        FourBitLinearInputGradient(outputGradient, weight: weight, into: inputGradient, precision: precision)
    }

    /// `scale * outputGradient · up`, where somebody asks for it or there is `room` for it.
    func narrowProduct(_ update: LowRankUpdate, room: () -> Slice) -> ScaledProduct {
        ScaledProduct(
            update.scale, outputGradient, update.up, into: update.narrow ?? room(), m: m, n: update.rank, k: weight.rows, precision: precision)
    }

    /// Adds the product of what ``narrowProduct(_:room:)`` gives with `down` to the gradient.
    func addition(of narrow: Slice, _ update: LowRankUpdate) -> MatrixProduct {
        MatrixProduct(narrow, update.down, into: inputGradient, m: m, n: weight.columns, k: update.rank, accumulates: true, precision: precision)
    }
}
