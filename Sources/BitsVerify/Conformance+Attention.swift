import BitsKernels

extension ConformanceCase {
    /// Attention of enough queries that devices multiply tiles of 16-bit numbers, and round probabilities and what becomes of their gradients to that type.
    static var tiles: [ConformanceCase] {
        let slopes = AttentionShape(
            batch: 1, queries: 140, keys: 140, heads: 2, groups: 1, headWidth: 104, valueWidth: 88, scale: 0.1, window: .last(70))
        let wide = AttentionShape(batch: 1, queries: 70, keys: 150, heads: 1, groups: 1, headWidth: 200, scale: 0.07)
        let bounded = AttentionShape(batch: 1, queries: 140, keys: 140, heads: 2, groups: 1, headWidth: 72, scale: 0.3, cap: 2, window: .last(70))
        let boundedWide = AttentionShape(batch: 1, queries: 70, keys: 70, heads: 2, groups: 1, headWidth: 256, scale: 0.2, cap: 2)
        var all: [ConformanceCase] = []
        for dtype in [DType.float16, .bfloat16] {
            let tilesOfType = "tiles of \(dtype.rawValue)"
            for ranges in KeyRanges.allCases { all += tiles("\(ranges.rawValue), \(tilesOfType)", packed, dtype, ranges, .none) }
            all += tiles("slopes, a window, \(tilesOfType)", slopes, dtype, .causal, .slopes)
            all += tiles("wide \(tilesOfType)", wide, dtype, .causal, .none)
            all += tiles("bounded scores, \(tilesOfType)", bounded, dtype, .causal, .none)
            all += tiles("bounded scores, wide \(tilesOfType)", boundedWide, dtype, .packed, .none)
            all += besideNaN("NaN in another sequence, \(tilesOfType)", dtype)
        }
        return all
    }

    private static let packed = AttentionShape(batch: 2, queries: 150, keys: 150, heads: 4, groups: 2, headWidth: 64, scale: 0.125)

    private static func tiles(_ variant: String, _ shape: AttentionShape, _ dtype: DType, _ ranges: KeyRanges, _ bias: BiasKind) -> [ConformanceCase]
    {
        cases(variant, dtype) { AttentionOperands(shape, dtype: dtype, ranges: ranges, bias: bias, on: $0) }
    }

    /// The queries, keys and values of seven tokens, one packed sequence, are no numbers.
    private static func besideNaN(_ variant: String, _ dtype: DType) -> [ConformanceCase] {
        cases(variant, dtype) { device in
            var operands = AttentionOperands(packed, dtype: dtype, ranges: .packed, on: device)
            func damaged(_ slice: Slice) -> Slice {
                var values = DeviceMemory().floats(slice)
                let width = values.count / packed.batch / packed.queries
                values.replaceSubrange(63 * width..<70 * width, with: repeatElement(.nan, count: 7 * width))
                return device.input(values, as: dtype)
            }
            operands.inputs.query = damaged(operands.inputs.query)
            operands.inputs.key = damaged(operands.inputs.key)
            operands.inputs.value = damaged(operands.inputs.value)
            return operands
        }
    }

    private static func cases(_ variant: String, _ dtype: DType, _ make: @escaping @Sendable (Device) -> AttentionOperands) -> [ConformanceCase] {
        // A rounding of every probability and gradient of a score, where dozens of them are added.
        let rounding: Float = dtype == .bfloat16 ? 1 : 0.125
        @Sendable func rounded(_ outputs: [KernelOutput], by absolute: Float) -> [KernelOutput] {
            outputs.map { output in
                let isSum = output.slice.dtype == .float32
                return KernelOutput(output.name, output.slice, absolute: isSum ? 4e-6 : absolute * rounding, relative: isSum ? 2e-6 : 1e-2 * rounding)
            }
        }
        return [
            ConformanceCase(variant) { device in
                let operands = make(device)
                return (operands.forward, rounded(operands.forwardOutputs, by: 6e-3))
            },
            ConformanceCase(variant) { device in
                let operands = make(device)
                operands.forward.reference(DeviceMemory())
                return (operands.backward, rounded(operands.backwardOutputs, by: 4e-2))
            },
        ]
    }
}
