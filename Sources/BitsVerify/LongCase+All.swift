import BitsKernels

extension LongCase {
    /// Quantizing and dequantizing in 8 and 4 bits, with scales of both kinds; a cast, a sum, a gated activation; steps of optimizers with moments of 8 and
    /// of 32 bits.
    package static let all: [LongCase] = [
        LongCase([bfloat16, codes, scales]) { device, operands, _ in
            QuantizeBlockwise(operands[0], codebook: codebook(device), blockSize: 256, codes: operands[1], absmax: operands[2])
        },
        LongCase([codes, scales, bfloat16]) { device, operands, _ in
            DequantizeBlockwise(operands[0], codebook: codebook(device), absmax: operands[1], blockSize: 256, into: operands[2])
        },
        LongCase([bfloat16, packed, LongOperand(dtype: .float32, share: 64)]) { _, operands, _ in
            QuantizeFourBit(operands[0], format: .nf4, blockSize: 64, packed: operands[1], absmax: operands[2])
        },
        LongCase([packed, LongOperand(dtype: .float32, share: 64, isPositive: true), bfloat16]) { device, operands, range in
            let matrix = FourBitMatrix(
                packed: operands[0], rows: 1, columns: range.count, blockSize: 64, code: device.upload(FourBitFormat.nf4.values, as: .float32),
                scales: .plain(operands[1]))
            return DequantizeFourBit(matrix, into: operands[2])
        },
        LongCase([packed, LongOperand(dtype: .uint8, share: 64), LongOperand(dtype: .float32, share: 64 * 64, isPositive: true), bfloat16]) {
            device, operands, range in
            let matrix = FourBitMatrix(
                packed: operands[0], rows: 1, columns: range.count, blockSize: 64, code: device.upload(FourBitFormat.nf4.values, as: .float32),
                scales: .nested(
                    codes: operands[1], code: codebook(device), absmax: operands[2], offset: device.upload([Float(0.2)], as: .float32), blockSize: 64)
            )
            return DequantizeFourBit(matrix, into: operands[3])
        },
        LongCase([bfloat16, bfloat16, bfloat16]) { _, operands, range in
            BinaryElementwise(
                .add, StridedSlice(contiguous: operands[0], shape: [range.count]), StridedSlice(contiguous: operands[1], shape: [range.count]),
                into: operands[2])
        },
        LongCase([bfloat16, bfloat16, bfloat16]) { _, operands, _ in
            GatedActivation(.relu, gate: operands[0], up: operands[1], into: operands[2])
        },
        LongCase([bfloat16, bfloat16, LongOperand(dtype: .float32)]) { _, operands, _ in
            let rule = ElementRule.lion(.init(beta1: 0.9, gain1: 0.1, beta2: 0.99, gain2: 0.01))
            return OptimizerStep([
                ParameterStep(
                    ElementUpdate(rule, step: -0.01), parameter: operands[0], gradient: operands[1], moments: [MomentSlice(operands[2], blocks: nil)])
            ])
        },
        LongCase([bfloat16, LongOperand(dtype: .float32)]) { _, operands, range in
            StridedCopy(
                from: StridedSlice(contiguous: operands[0], shape: [range.count]), to: StridedSlice(contiguous: operands[1], shape: [range.count]))
        },
        LongCase([bfloat16, bfloat16, codes, scales, codes, scales]) { device, operands, _ in
            let rule = ElementRule.adam(ElementRule.Adam(beta1: 0.9, gain1: 0.1, beta2: 0.999, gain2: 0.001, epsilon: 1e-8))
            let moments = [2, 4].map { place in
                let blocks = MomentSlice.Blocks(
                    absmax: operands[place + 1], codebook: codebook(device, isSigned: place == 2), size: 256, isSigned: place == 2)
                return MomentSlice(operands[place], blocks: blocks)
            }
            return OptimizerStep([ParameterStep(ElementUpdate(rule, step: -0.01), parameter: operands[0], gradient: operands[1], moments: moments)])
        },
    ]

    private static let bfloat16 = LongOperand(dtype: .bfloat16)
    private static let codes = LongOperand(dtype: .uint8)
    private static let packed = LongOperand(dtype: .uint8, share: 2)
    private static let scales = LongOperand(dtype: .float32, share: 256, isPositive: true)

    private static func codebook(_ device: Device, isSigned: Bool = true) -> Slice {
        device.upload((0..<256).map { (i: Int) -> Float in isSigned ? Float(i - 127) / 128 : Float(i) / 255 }, as: .float32)
    }
}
