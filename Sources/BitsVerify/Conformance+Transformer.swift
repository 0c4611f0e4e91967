import BitsKernels

extension ConformanceCase {
    static var transformer: [ConformanceCase] {
        floatTypes.flatMap { norms($0) + attention($0) + tables($0) }
    }

    private static func norms(_ dtype: DType) -> [ConformanceCase] {
        let (rows, width) = (5, 67)
        return [
            ConformanceCase(dtype.rawValue) { device in
                let output = device.output(dtype, count: rows * width)
                let reciprocal = device.output(.float32, count: rows)
                let kernel = RMSNorm(
                    ordinary(device, rows * width, 1, dtype), weight: ordinary(device, width, 2, .float32), epsilon: 1e-5, into: output,
                    reciprocal: reciprocal)
                return (
                    kernel, [KernelOutput("output", output, absolute: 1e-6, relative: 1e-6), KernelOutput("reciprocal", reciprocal, relative: 1e-6)]
                )
            },
            ConformanceCase(dtype.rawValue) { device in
                let input = device.output(dtype, count: rows * width)
                let weight = device.output(.float32, count: width)
                let kernel = RMSNormGradient(
                    input: ordinary(device, rows * width, 1, dtype), weight: ordinary(device, width, 2, dtype),
                    reciprocal: positive(device, rows, 3, .float32), outputGradient: ordinary(device, rows * width, 4, dtype), inputGradient: input,
                    weightGradient: weight)
                return (
                    kernel,
                    [
                        KernelOutput("input gradient", input, absolute: 2e-5, relative: 2e-6),
                        KernelOutput("weight gradient", weight, absolute: 2e-5, relative: 2e-6),
                    ]
                )
            },
            ConformanceCase(dtype.rawValue) { device in
                let output = device.output(dtype, count: rows * width)
                let mean = device.output(.float32, count: rows)
                let reciprocal = device.output(.float32, count: rows)
                let kernel = LayerNorm(
                    ordinary(device, rows * width, 1, dtype), width: width, weight: ordinary(device, width, 2, dtype),
                    bias: ordinary(device, width, 3, dtype), epsilon: 1e-5, into: output, mean: mean, reciprocal: reciprocal)
                return (
                    kernel,
                    [
                        KernelOutput("output", output, absolute: 4e-6, relative: 2e-6), KernelOutput("mean", mean, absolute: 1e-6),
                        KernelOutput("reciprocal", reciprocal, relative: 2e-6),
                    ]
                )
            },
            ConformanceCase(dtype.rawValue) { device in
                let input = device.output(dtype, count: rows * width)
                let weight = device.output(.float32, count: width)
                let bias = device.output(.float32, count: width)
                let kernel = LayerNormGradient(
                    input: ordinary(device, rows * width, 1, dtype), width: width, weight: ordinary(device, width, 2, dtype),
                    mean: ordinary(device, rows, 5, .float32), reciprocal: positive(device, rows, 3, .float32),
                    outputGradient: ordinary(device, rows * width, 4, dtype), inputGradient: input, weightGradient: weight, biasGradient: bias)
                return (
                    kernel,
                    [
                        KernelOutput("input gradient", input, absolute: 4e-5, relative: 2e-6),
                        KernelOutput("weight gradient", weight, absolute: 4e-5, relative: 2e-6),
                        KernelOutput("bias gradient", bias, absolute: 2e-5, relative: 2e-6),
                    ]
                )
            },
        ]
    }

    private static func attention(_ dtype: DType) -> [ConformanceCase] {
        let (tokens, heads, width) = (11, 4, 24)
        // A batch as in training, and one query against a cache as in generation.
        let shapes = [("many queries", 2, 19, 19), ("one query", 1, 1, 600)].map { name, batch, queries, keys in
            (name, AttentionShape(batch: batch, queries: queries, keys: keys, heads: 4, groups: 2, headWidth: 24, scale: 0.2))
        }
        let rotary = [
            ConformanceCase(dtype.rawValue) { device in
                let output = device.output(dtype, count: tokens * heads * width)
                let kernel = Rotary(
                    ordinary(device, tokens * heads * width, 1, dtype), cosine: ordinary(device, tokens * width / 2, 2, .float32),
                    sine: ordinary(device, tokens * width / 2, 3, .float32), tokens: tokens, heads: heads, headWidth: width, inverse: true,
                    into: output)
                return (kernel, [KernelOutput("output", output, absolute: 1e-6)])
            }
        ]
        var all = rotary
        for (name, shape) in shapes {
            var bounded = shape
            bounded.cap = 0.6
            all += attention("\(name) of \(dtype.rawValue)", shape, dtype, .causal, .none)
            all += attention("\(name) with bounded scores of \(dtype.rawValue)", bounded, dtype, .causal, .none)
        }
        all += attention("slopes, a window, narrow values of \(dtype.rawValue)", narrow(.last(6)), dtype, .causal, .slopes)
        all += attention("relative bias, a window both ways of \(dtype.rawValue)", narrow(.around(4)), dtype, .all, .relative)
        return all
    }

    private static func narrow(_ window: AttentionWindow) -> AttentionShape {
        AttentionShape(batch: 2, queries: 19, keys: 19, heads: 4, groups: 2, headWidth: 24, valueWidth: 13, scale: 0.2, window: window)
    }

    private static func attention(_ variant: String, _ shape: AttentionShape, _ dtype: DType, _ ranges: KeyRanges, _ bias: BiasKind)
        -> [ConformanceCase]
    {
        [
            ConformanceCase(variant) { device in
                let operands = AttentionOperands(shape, dtype: dtype, ranges: ranges, bias: bias, on: device)
                return (operands.forward, operands.forwardOutputs)
            },
            ConformanceCase(variant) { device in
                let operands = AttentionOperands(shape, dtype: dtype, ranges: ranges, bias: bias, on: device)
                operands.forward.reference(DeviceMemory())
                return (operands.backward, operands.backwardOutputs)
            },
        ]
    }

    private static func tables(_ dtype: DType) -> [ConformanceCase] {
        let (rows, width) = (13, 70)
        let indices = [3, 0, 3, 12, -1, 5, 13, 3]
        return [
            ConformanceCase(dtype.rawValue) { device in
                let losses = device.output(.float32, count: 8)
                let gradient = device.output(dtype, count: 8 * width)
                let kernel = CrossEntropy(
                    logits: ordinary(device, 8 * width, 1, dtype), targets: device.integers([3, 0, -100, 69, 70, 1, 2, 5], as: .int64),
                    losses: losses,
                    gradient: gradient, gradientScale: 0.25)
                return (
                    kernel,
                    [
                        KernelOutput("losses", losses, absolute: 1e-6, relative: 1e-6),
                        KernelOutput("gradient", gradient, absolute: 1e-7, relative: 2e-6),
                    ]
                )
            },
            ConformanceCase(dtype.rawValue) { device in
                let output = device.output(dtype, count: indices.count * width)
                let kernel = EmbeddingGather(
                    table: ordinary(device, rows * width, 2, .bfloat16), width: width, indices: device.integers(indices, as: .int32), into: output)
                return (kernel, [KernelOutput("output", output)])
            },
            ConformanceCase(dtype.rawValue) { device in
                let table = ordinary(device, rows * width, 3, dtype)
                let kernel = EmbeddingScatterAdd(
                    ordinary(device, indices.count * width, 4, dtype), width: width, indices: device.integers(indices, as: .int64), into: table)
                return (kernel, [KernelOutput("table gradient", table)])
            },
        ]
    }
}
