import BitsKernels

extension ConformanceCase {
    /// Sizes at which devices take vectors, share rows between more threads, or read them a second time.
    static var large: [ConformanceCase] {
        var cases = largeCopies + largeTables
        for dtype in floatTypes {
            cases += matrices(dtype) + largeReductions(dtype)
            cases.append(manyRows(dtype))
            cases += alike(dtype)
            for width in [48, 1024, 5000, 20_002] { cases += rows(dtype, width: width) }
            for (rows, vocabulary) in [(3, 5000), (5, 4999), (5, 8192), (2, 40_001), (4, 66_000)] {
                cases.append(crossEntropy(dtype, rows: rows, vocabulary: vocabulary))
            }
        }
        return cases
    }

    private static var largeCopies: [ConformanceCase] {
        let types: [(DType, DType)] = [
            (.bfloat16, .bfloat16), (.float32, .float32), (.uint8, .uint8), (.int64, .int64), (.bfloat16, .float32), (.float32, .float16),
            (.int32, .bfloat16),
        ]
        let layouts: [(String, [Int], [Int])] = [
            ("heads before tokens", [2, 3, 7, 64], [1344, 64, 192, 1]), ("transposed", [3, 70, 45], [3150, 1, 70]), ("in a row", [9450], [1]),
            ("cut out", [50, 64], [128, 1]),
        ]
        return types.flatMap { from, to in
            layouts.map { name, shape, strides in
                ConformanceCase("\(from.rawValue) to \(to.rawValue), \(name)") { device in
                    let count = shape.reduce(1, *)
                    let source = device.input(HostileFloats.ordinary(count: 9450, seed: 1).map { 20 * $0 }, as: from)
                    let destination = device.output(to, count: count)
                    let kernel = StridedCopy(
                        from: StridedSlice(source, shape: shape, strides: strides), to: StridedSlice(contiguous: destination, shape: shape))
                    return (kernel, [KernelOutput("destination", destination)])
                }
            }
        }
    }

    private static func matrices(_ dtype: DType) -> [ConformanceCase] {
        let (rows, columns) = (37, 132)
        let strides: [(String, [Int])] = [
            ("all", [columns, 1]), ("a row for all", [0, 1]), ("a number for each row", [1, 0]), ("a number for all", [0, 0]),
            ("transposed", [1, rows]),
        ]
        return strides.map { name, strides in
            ConformanceCase("subtract of float32 and \(dtype.rawValue), \(name)") { device in
                let output = device.output(dtype, count: rows * columns)
                let kernel = BinaryElementwise(
                    .subtract, StridedSlice(contiguous: ordinary(device, rows * columns, 1, .float32), shape: [rows, columns]),
                    StridedSlice(ordinary(device, rows * columns, 2, dtype), shape: [rows, columns], strides: strides), into: output)
                return (kernel, [KernelOutput("output", output)])
            }
        }
    }

    /// Arrays of one type, of a count that is a multiple of 8.
    private static func alike(_ dtype: DType) -> [ConformanceCase] {
        let count = 4104
        return [
            ConformanceCase("add of \(dtype.rawValue), \(count) elements") { device in
                let output = device.output(dtype, count: count)
                let kernel = BinaryElementwise(
                    .add, StridedSlice(contiguous: ordinary(device, count, 1, dtype), shape: [count]),
                    StridedSlice(contiguous: ordinary(device, count, 2, dtype), shape: [count]), into: output)
                return (kernel, [KernelOutput("output", output)])
            },
            ConformanceCase("silu of \(dtype.rawValue), \(count) elements") { device in
                let output = device.output(dtype, count: count)
                let kernel = GatedActivation(.silu, gate: ordinary(device, count, 1, dtype), up: ordinary(device, count, 2, dtype), into: output)
                return (kernel, [KernelOutput("output", output, absolute: 2e-6, relative: 1e-6)])
            },
        ]
    }

    private static func rows(_ dtype: DType, width: Int) -> [ConformanceCase] {
        let rows = 5
        let count = rows * width
        return [
            ConformanceCase("\(dtype.rawValue), rows of \(width)") { device in
                let (output, reciprocal) = (device.output(dtype, count: count), device.output(.float32, count: rows))
                let kernel = RMSNorm(
                    ordinary(device, count, 1, dtype), weight: ordinary(device, width, 2, dtype), epsilon: 1e-5, into: output,
                    reciprocal: reciprocal)
                let outputs = [
                    KernelOutput("output", output, absolute: 1e-6, relative: 1e-6), KernelOutput("reciprocal", reciprocal, relative: 1e-6),
                ]
                return (kernel, outputs)
            },
            ConformanceCase("\(dtype.rawValue), rows of \(width)") { device in
                let input = device.output(dtype, count: count)
                let kernel = RMSNormGradient(
                    input: ordinary(device, count, 1, dtype), weight: ordinary(device, width, 2, .float32),
                    reciprocal: positive(device, rows, 3, .float32), outputGradient: ordinary(device, count, 4, dtype), inputGradient: input,
                    weightGradient: nil)
                return (kernel, [KernelOutput("input gradient", input, absolute: 2e-5, relative: 2e-6)])
            },
            ConformanceCase("\(dtype.rawValue), rows of \(width)") { device in
                let (output, mean) = (device.output(dtype, count: count), device.output(.float32, count: rows))
                let kernel = LayerNorm(
                    ordinary(device, count, 1, dtype), width: width, weight: nil, bias: ordinary(device, width, 2, dtype), epsilon: 1e-5,
                    into: output, mean: mean, reciprocal: nil)
                return (kernel, [KernelOutput("output", output, absolute: 6e-6, relative: 2e-6), KernelOutput("mean", mean, absolute: 1e-6)])
            },
            ConformanceCase("\(dtype.rawValue), rows of \(width)") { device in
                let (input, weight, bias) = (
                    device.output(dtype, count: count), device.output(dtype, count: width), device.output(.float32, count: width)
                )
                let kernel = LayerNormGradient(
                    input: ordinary(device, count, 1, dtype), width: width, weight: ordinary(device, width, 2, dtype),
                    mean: ordinary(device, rows, 3, .float32), reciprocal: positive(device, rows, 4, .float32),
                    outputGradient: ordinary(device, count, 5, dtype), inputGradient: input, weightGradient: weight, biasGradient: bias)
                let outputs = [("input gradient", input), ("weight gradient", weight), ("bias gradient", bias)].map {
                    KernelOutput($0, $1, absolute: 4e-5, relative: 2e-6)
                }
                return (kernel, outputs)
            },
            ConformanceCase("\(dtype.rawValue), rows of \(width)") { device in
                let output = device.output(dtype, count: count)
                return (
                    Softmax(ordinary(device, count, 6, dtype), width: width, into: output),
                    [KernelOutput("output", output, absolute: 1e-8, relative: 2e-6)]
                )
            },
            ConformanceCase("\(dtype.rawValue), rows of \(width)") { device in
                let output = device.output(dtype, count: count)
                let probabilities = device.input(HostileFloats.ordinary(count: count, seed: 7).map { abs($0) / Float(width) }, as: dtype)
                let kernel = SoftmaxGradient(
                    output: probabilities, outputGradient: ordinary(device, count, 8, dtype), width: width, into: output)
                return (kernel, [KernelOutput("input gradient", output, absolute: 2e-6, relative: 2e-6)])
            },
            ConformanceCase("\(dtype.rawValue), rows of \(width)") { device in
                let output = device.output(.int64, count: rows)
                return (ArgMax(ordinary(device, count, 9, dtype), rows: rows, into: output), [KernelOutput("output", output)])
            },
        ]
    }

    /// So many rows that gradients of weights are sums of sums.
    private static func manyRows(_ dtype: DType) -> ConformanceCase {
        let (rows, width) = (300, 140)
        return ConformanceCase("\(rows) rows of \(dtype.rawValue)") { device in
            let (weight, bias) = (device.output(dtype, count: width), device.output(.float32, count: width))
            let kernel = LayerNormGradient(
                input: ordinary(device, rows * width, 1, dtype), width: width, weight: nil, mean: ordinary(device, rows, 2, .float32),
                reciprocal: positive(device, rows, 3, .float32), outputGradient: ordinary(device, rows * width, 4, dtype), inputGradient: nil,
                weightGradient: weight, biasGradient: bias)
            let outputs = [("weight gradient", weight), ("bias gradient", bias)].map { KernelOutput($0, $1, absolute: 1e-4, relative: 2e-6) }
            return (kernel, outputs)
        }
    }

    private static func crossEntropy(_ dtype: DType, rows: Int, vocabulary: Int) -> ConformanceCase {
        ConformanceCase("\(dtype.rawValue), \(vocabulary) tokens") { device in
            let (losses, gradient) = (device.output(.float32, count: rows), device.output(dtype, count: rows * vocabulary))
            let targets = device.integers([7, vocabulary - 1, -100, vocabulary, 0].suffix(rows), as: .int32)
            return (
                CrossEntropy(
                    logits: ordinary(device, rows * vocabulary, 1, dtype), targets: targets, losses: losses, gradient: gradient, gradientScale: 0.5),
                [
                    KernelOutput("losses", losses, absolute: 1e-6, relative: 1e-6),
                    KernelOutput("gradient", gradient, absolute: 1e-7, relative: 2e-6),
                ]
            )
        }
    }

    private static func largeReductions(_ dtype: DType) -> [ConformanceCase] {
        Reduce.Operation.allCases.flatMap { operation in
            [(1, 150_001, 1), (130, 640, 1), (2, 700, 260)].map { outer, axis, inner in
                ConformanceCase("\(operation) of \(dtype.rawValue), \(outer) x \(axis) x \(inner)") { device in
                    let output = device.output(.float32, count: outer * inner)
                    let kernel = Reduce(
                        operation, ordinary(device, outer * axis * inner, 10, dtype), outer: outer, axis: axis, inner: inner, into: output)
                    return (kernel, [KernelOutput("output", output, absolute: 1e-4, relative: 2e-6)])
                }
            }
        }
    }

    /// Indices that occur once, often, and further apart than a block of threads looks at once.
    private static var largeTables: [ConformanceCase] {
        let (vocabulary, count) = (40, 640)
        let indices = (0..<count).map { $0 % 300 == 5 ? 3 : $0 > 500 ? 17 : $0 < 20 ? 20 + $0 : -1 }
        return [96, 4104].flatMap { width in
            [
                ConformanceCase("rows of \(width)") { device in
                    let output = device.output(.bfloat16, count: count * width)
                    let kernel = EmbeddingGather(
                        table: ordinary(device, vocabulary * width, 1, .float16), width: width, indices: device.integers(indices, as: .int64),
                        into: output)
                    return (kernel, [KernelOutput("output", output)])
                },
                ConformanceCase("rows of \(width)") { device in
                    let table = ordinary(device, vocabulary * width, 2, .bfloat16)
                    let kernel = EmbeddingScatterAdd(
                        ordinary(device, count * width, 3, .bfloat16), width: width, indices: device.integers(indices, as: .int32), into: table)
                    return (kernel, [KernelOutput("table gradient", table)])
                },
            ]
        }
    }
}
