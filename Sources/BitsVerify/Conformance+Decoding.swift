import BitsKernels

extension ConformanceCase {
    static var decoding: [ConformanceCase] { [places] + floatTypes.flatMap { [rotary($0), cache($0)] + drawing($0) } }

    private static var places: ConformanceCase {
        ConformanceCase("3 tokens, one sequence inert") { device in
            let lengths = device.integers([5, -1, 0, 700], as: .int32)
            let (positions, ranges) = (device.output(.int32, count: 12), device.output(.int32, count: 24))
            return (
                AdvancePositions(lengths, by: 3, positions: positions, keyRanges: ranges),
                [KernelOutput("lengths", lengths), KernelOutput("positions", positions), KernelOutput("ranges", ranges)]
            )
        }
    }

    private static func rotary(_ dtype: DType) -> ConformanceCase {
        let (rows, heads, width) = (9, 3, 22)
        let positions = [8, 0, 0, -1, 3, 9, 7]
        return ConformanceCase("\(dtype.rawValue) by position") { device in
            let count = positions.count * heads * width
            let output = device.output(dtype, count: count)
            let kernel = Rotary(
                ordinary(device, count, 1, dtype), cosine: ordinary(device, rows * width / 2, 2, .float32),
                sine: ordinary(device, rows * width / 2, 3, .float32), positions: device.integers(positions, as: .int32), tokens: positions.count,
                heads: heads, headWidth: width, inverse: false, into: output)
            return (kernel, [KernelOutput("output", output, absolute: 1e-6)])
        }
    }

    private static func cache(_ dtype: DType) -> ConformanceCase {
        let (sequences, capacity, width) = (3, 7, 19)
        return ConformanceCase("float32 into \(dtype.rawValue), some tokens outside") { device in
            let (keys, values) = (
                device.output(dtype, count: sequences * capacity * width), device.output(dtype, count: sequences * capacity * width)
            )
            let kernel = CacheWrite(
                key: ordinary(device, sequences * 2 * width, 1, .float32), value: ordinary(device, sequences * 2 * width, 2, .float32),
                positions: device.integers([0, 1, -1, -1, 6, 7], as: .int32), keyCache: keys, valueCache: values, sequences: sequences, width: width)
            return (kernel, [KernelOutput("keys", keys), KernelOutput("values", values)])
        }
    }

    private static func drawing(_ dtype: DType) -> [ConformanceCase] {
        let rules: [(String, SamplingRule)] = [
            ("greedy", SamplingRule(temperature: 0)), ("all", SamplingRule(temperature: 0.8)),
            ("top-k", SamplingRule(temperature: 1, topK: 5)), ("top-k of nearly all", SamplingRule(temperature: 3, topK: 690)),
            ("top-p", SamplingRule(temperature: 1.5, topP: 0.7)), ("min-p", SamplingRule(temperature: 2, minP: 0.1)),
            ("each, with a penalty", SamplingRule(temperature: 2, topK: 50, topP: 0.9, minP: 0.02, repetitionPenalty: 1.3)),
        ]
        let sequences = 6
        return [700, 5003].flatMap { vocabulary in
            rules.map { name, rule in
                ConformanceCase("\(name), from \(vocabulary) of \(dtype.rawValue)") { device in
                    var logits = HostileFloats.ordinary(count: sequences * vocabulary, seed: 4).map { 3 * $0 }
                    for token in 0..<vocabulary { logits[2 * vocabulary + token] = token % 2 == 0 ? .nan : -.infinity }
                    (logits[5], logits[vocabulary + 9], logits[4 * vocabulary + 77]) = (.nan, -.infinity, .infinity)
                    let tokens = device.output(.int32, count: sequences)
                    let seen = device.integers((0..<sequences * vocabulary).map { $0 % 3 == 0 ? 1 : 0 }, as: .uint8)
                    let kernel = SampleTokens(
                        device.input(logits, as: dtype), positions: device.integers([0, 7, 3, -1, 12, 100_000], as: .int32), rule: rule,
                        seeds: device.integers([1, 1, 2, 3, -4, 1 << 40], as: .int64), seen: rule.repetitionPenalty == 1 ? nil : seen, into: tokens)
                    return (kernel, [KernelOutput("tokens", tokens), KernelOutput("seen", seen)])
                }
            }
        }
    }
}
