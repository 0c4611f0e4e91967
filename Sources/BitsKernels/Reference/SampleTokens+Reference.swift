import BitsSystem

extension SampleTokens {
    package func reference(_ memory: some ReferenceMemory) {
        let rows = memory.floats(logits).rows(tokens.count)
        let (positions, seeds) = (memory.integers(positions), seeds.map { memory.integers($0) })
        var marks = seen.map { memory.integers($0) }
        var drawn: [Int] = []
        for (b, row) in rows.enumerated() {
            guard positions[b] >= 0 else {
                drawn.append(Int(SampleTokens.none))
                continue
            }
            let seen = marks.map { Array($0[b * vocabulary..<(b + 1) * vocabulary]) }
            let stream = RandomStream(seed: UInt64(bitPattern: Int64(seeds?[b] ?? 0)), position: UInt64(positions[b]))
            let token = rule.token(seen.map { rule.penalized(row, seen: $0) } ?? row, share: stream.share)
            if let token { marks?[b * vocabulary + token] = 1 }
            drawn.append(token ?? Int(SampleTokens.notANumber))
        }
        if let seen, let marks { memory.store(marks, to: seen) }
        memory.store(drawn, to: tokens)
    }
}

extension SamplingRule {
    fileprivate func penalized(_ logits: [Float], seen: [Int]) -> [Float] {
        zip(logits, seen).map { $1 == 0 ? $0 : $0 > 0 ? $0 / repetitionPenalty : $0 * repetitionPenalty }
    }

    /// The token at `share` of the weights' sum; nil where no logit is above -inf.
    fileprivate func token(_ logits: [Float], share: Double) -> Int? {
        let peak = logits.reduce(-.infinity) { $1 > $0 ? $1 : $0 }
        guard peak > -.infinity else { return nil }
        if temperature == 0 || peak == .infinity { return logits.firstIndex(of: peak) }
        let weights = logits.map { $0.isNaN ? 0 : Float(exp(Double(($0 - peak) / temperature))) }
        var kept = logits.indices.sorted { weights[$0] > weights[$1] || (weights[$0] == weights[$1] && $0 < $1) }
        if topK > 0 { kept = Array(kept.prefix(topK)) }
        func sum(_ tokens: [Int]) -> Double { tokens.reduce(0) { $0 + Double(weights[$1]) } }
        if topP < 1 {
            let enough = sum(kept) * Double(topP)
            var reached = 0.0
            kept = Array(
                kept.prefix { token in
                    defer { reached += Double(weights[token]) }
                    return reached < enough
                })
        }
        if minP > 0 { kept = kept.filter { weights[$0] >= minP } }
        kept.sort()
        var left = share * sum(kept)
        return kept.first { token in
            left -= Double(weights[token])
            return left < 0
        } ?? kept.last
    }
}

extension RandomStream {
    /// A number from [0, 1), of the first block's first two words.
    fileprivate var share: Double {
        let words = block()
        return Double((UInt64(words[1]) << 32 | UInt64(words[0])) >> 11) * 0x1p-53
    }
}
