import BitsKernels

extension ConformanceCase {
    /// Kernels whose results have the reference's bits, on numbers that break careless arithmetic: zeros of both signs, the smallest and largest of every
    /// kind, infinities, NaN, patterns of all kinds.
    static var hostile: [ConformanceCase] {
        floatTypes.flatMap { dtype in
            [32, 64, 100, 256, 4096].flatMap { quantizing(dtype, blockSize: $0) } + int8Rows(dtype)
                + [nil, 32, 256, 2048].flatMap { blockSize in rules.map { step($0.rule, signs: $0.signs, dtype, blockSize: blockSize) } }
                + dequantizing(dtype)
        }
    }

    private static func hostile(_ device: Device, _ count: Int, _ seed: UInt64, _ dtype: DType) -> Slice {
        device.input(HostileFloats.mixture(count: count, seed: seed), as: dtype)
    }

    private static func quantizing(_ dtype: DType, blockSize: Int) -> [ConformanceCase] {
        let count = 9001
        return [
            ConformanceCase("hostile \(dtype.rawValue), blocks of \(blockSize)") { device in
                let (codes, absmax) = (device.output(.uint8, count: count), device.output(.float32, count: blockCount(count, blockSize: blockSize)))
                let nonFinite = device.integers([0], as: .int64)
                let kernel = QuantizeBlockwise(
                    hostile(device, count, 21, dtype), codebook: device.input(dynamicMap(isSigned: true)), blockSize: blockSize, codes: codes,
                    absmax: absmax, nonFiniteCount: nonFinite)
                return (kernel, [KernelOutput("codes", codes), KernelOutput("absmax", absmax), KernelOutput("count", nonFinite)])
            }
        ]
            + FourBitFormat.allCases.map { format in
                ConformanceCase("\(format), hostile \(dtype.rawValue), blocks of \(blockSize)") { device in
                    let packed = device.output(.uint8, count: (count + 1) / 2)
                    let absmax = device.output(.float32, count: blockCount(count, blockSize: blockSize))
                    let nonFinite = device.integers([0], as: .int64)
                    let kernel = QuantizeFourBit(
                        hostile(device, count, 22, dtype), format: format, blockSize: blockSize, packed: packed, absmax: absmax,
                        nonFiniteCount: nonFinite)
                    return (kernel, [KernelOutput("packed", packed), KernelOutput("absmax", absmax), KernelOutput("count", nonFinite)])
                }
            }
    }

    /// From scales that are no ordinary numbers: damaged files hold them.
    private static func dequantizing(_ dtype: DType) -> [ConformanceCase] {
        let (count, blockSize) = (9001, 64)
        return [
            ConformanceCase("\(dtype.rawValue) of hostile scales") { device in
                let output = device.output(dtype, count: count)
                let kernel = DequantizeBlockwise(
                    codes(device, count), codebook: device.input(dynamicMap(isSigned: true)),
                    absmax: hostile(device, blockCount(count, blockSize: blockSize), 25, .float32), blockSize: blockSize, into: output)
                return (kernel, [KernelOutput("output", output)])
            }
        ]
            + FourBitFormat.allCases.map { format in
                ConformanceCase("\(dtype.rawValue) of \(format), hostile scales") { device in
                    let output = device.output(dtype, count: count)
                    let matrix = FourBitMatrix(
                        packed: codes(device, (count + 1) / 2), rows: 1, columns: count, blockSize: blockSize, code: device.input(format.values),
                        scales: .plain(hostile(device, blockCount(count, blockSize: blockSize), 26, .float32)))
                    return (DequantizeFourBit(matrix, into: output), [KernelOutput("output", output)])
                }
            }
    }

    private static func int8Rows(_ dtype: DType) -> [ConformanceCase] {
        let (rows, columns) = (37, 133)
        return [0, 2.5].flatMap { (threshold: Float) in
            [
                ConformanceCase("hostile \(dtype.rawValue), threshold \(threshold)") { device in
                    let (codes, scales) = (device.output(.int8, count: rows * columns), device.output(.float32, count: rows))
                    let outliers = device.output(.uint8, count: columns)
                    let kernel = QuantizeInt8Rows(
                        hostile(device, rows * columns, 23, dtype), columns: columns, threshold: threshold, codes: codes, scales: scales,
                        outliers: outliers)
                    return (kernel, [KernelOutput("codes", codes), KernelOutput("scales", scales), KernelOutput("outliers", outliers)])
                },
                ConformanceCase("hostile \(dtype.rawValue), threshold \(threshold)") { device in
                    let (codes, scales) = (device.output(.int8, count: rows * columns), device.output(.float32, count: columns))
                    let kernel = QuantizeInt8Columns(
                        hostile(device, rows * columns, 24, dtype), threshold: threshold, codes: codes, scales: scales)
                    return (kernel, [KernelOutput("codes", codes), KernelOutput("scales", scales)])
                },
            ]
        }
    }

    /// One of each kind of rule, with the signs of its moments.
    private static let rules: [(rule: ElementRule, signs: [Bool])] = [
        (.adam(.init(beta1: 0.9, gain1: 0.1, beta2: 0.999, gain2: 0.001, epsilon: 1e-8)), [true, false]),
        (.adam(.init(beta1: 0.9, gain1: 0.1, beta2: 0.999, gain2: 0.001, epsilon: 1e-8, usesMaximum: true)), [true, false, false]),
        (
            .adEMAMix(
                .init(beta1: 0.9, gain1: 0.1, beta2: 0.999, gain2: 0.001, beta3: 0.9999, gain3: 1e-4, alpha: 5, bias: 1.1, epsilon: 1e-8)),
            [true, true, false]
        ),
        (.momentum(.init(beta: 0.9, gain: 1, isFirst: false)), [true]),
        (.momentum(.init(beta: 0.9, gain: 1, isFirst: false, isNesterov: true, roundsTwice: true)), [true]),
        (.rmsProp(.init(beta: 0.99, gain: 0.01, epsilon: 1e-8)), [false]),
        (.rmsProp(.init(beta: 0.99, gain: 0.01, epsilon: 1e-8, momentum: 0.9, isCentered: true)), [false, true, true]),
        (.adagrad(.init(epsilon: 1e-10)), [false]), (.lion(.init(beta1: 0.9, gain1: 0.1, beta2: 0.99, gain2: 0.01)), [true]),
    ]

    /// - Parameter blockSize: of 8-bit moments; nil for moments of 32 bits.
    private static func step(_ rule: ElementRule, signs: [Bool], _ dtype: DType, blockSize: Int?) -> ConformanceCase {
        let count = 5003
        let kind = blockSize.map { "blocks of \($0)" } ?? "32 bits"
        return ConformanceCase("\(rule.caseName) of \(signs.count) moments, hostile \(dtype.rawValue), \(kind)") { device in
            let parameter = ordinary(device, count, 31, dtype)
            var outputs = [KernelOutput("parameter", parameter)]
            let moments = signs.enumerated().map { index, isSigned in
                guard let blockSize else {
                    let values = (isSigned ? ordinary : positive)(device, count, UInt64(32 + index), .float32)
                    outputs.append(KernelOutput("moment \(index)", values))
                    return MomentSlice(values, blocks: nil)
                }
                let codes = device.integers((0..<count).map { $0 * 37 % 256 }, as: .uint8)
                let absmax = positive(device, blockCount(count, blockSize: blockSize), UInt64(32 + index), .float32)
                outputs += [KernelOutput("moment \(index)", codes), KernelOutput("absmax \(index)", absmax)]
                let codebook = device.input(dynamicMap(isSigned: isSigned))
                return MomentSlice(codes, blocks: .init(absmax: absmax, codebook: codebook, size: blockSize, isSigned: isSigned))
            }
            var gradients = HostileFloats.mixture(count: count, seed: 36)
            for index in 2048..<3000 { gradients[index] = 0 }
            var update = ElementUpdate(rule, step: -0.01, decay: 0.999, coupledDecay: 0.01)
            update.skipsZeros = blockSize == 256
            let step = ParameterStep(update, parameter: parameter, gradient: device.input(gradients, as: dtype), moments: moments)
            return (OptimizerStep([step]), outputs)
        }
    }

    /// The dynamic map by its definition: decades of evenly spaced magnitudes between 0 and 1.
    package static func dynamicMap(isSigned: Bool) -> [Float] {
        var values: [Float] = [0, 1]
        for (index, decade) in ([1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1] as [Float]).enumerated() {
            let count = 1 << (isSigned ? index : index + 1)
            let gap = (1 - Float(0.1)) / Float(count)
            let edges = (0...count).map { i -> Float in
                i < (count + 1) / 2 ? Float(0.1).addingProduct(gap, Float(i)) : Float(1).addingProduct(-gap, Float(count - i))
            }
            for (low, high) in zip(edges, edges.dropFirst()) {
                let value = (low + high) / 2 * decade
                values += isSigned ? [value, -value] : [value]
            }
        }
        return values.sorted()
    }
}

extension ElementRule {
    fileprivate var caseName: String {
        switch self {
        case .adam: "adam"
        case .adEMAMix: "ademamix"
        case .momentum: "momentum"
        case .rmsProp: "rmsprop"
        case .adagrad: "adagrad"
        case .lion: "lion"
        case .custom: "a rule of one's own"
        }
    }
}
