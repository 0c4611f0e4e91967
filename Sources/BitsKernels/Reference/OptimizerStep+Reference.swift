extension OptimizerStep {
    package func reference(_ memory: some ReferenceMemory) {
        for parameter in parameters { parameter.reference(memory) }
    }
}

extension ParameterStep {
    func reference(_ memory: some ReferenceMemory) {
        let scale = gradientScale.map { memory.floats($0)[0] } ?? 1
        let gradients = memory.floats(gradient).map { scale * $0 }
        var values = memory.floats(parameter)
        var states = moments.map { $0.read(memory) }
        let outcomes = gradients.indices.map { i in update.outcome(value: values[i], gradient: gradients[i], moments: states.map { $0[i] }) }

        var step = update.step
        if let trust = update.trust {
            let longest = Double(trust.limit) * sumOfSquares(values).squareRoot()
            let length = Double(trust.directionScale) * sumOfSquares(outcomes.map(\.direction)).squareRoot()
            if length > longest { step *= Float(longest / length) }
        }
        for (i, outcome) in outcomes.enumerated() {
            if case .moved(let direction, _) = outcome {
                values[i] = update.moved(values[i], by: step, direction, rounded: parameter.dtype.rounded)
            }
            for k in states.indices { states[k][i] = outcome.moment(k, before: states[k][i]) }
        }
        memory.store(values, to: parameter)
        for (moment, state) in zip(moments, states) {
            moment.write(state, memory, keeping: { update.skipsZeros && gradients[$0].allSatisfy { $0 == 0 } })
        }
    }
}

/// What becomes of one element.
private enum Outcome {
    /// Its gradient is zero, and zeros are skipped.
    case kept
    /// Its gradient is not finite, or one of its moments would not be.
    case cleared
    case moved(direction: Float, moments: [Float])

    var direction: Float {
        if case .moved(let direction, _) = self { direction } else { 0 }
    }

    func moment(_ k: Int, before: Float) -> Float {
        switch self {
        case .kept: before
        case .cleared: 0
        case .moved(_, let moments): moments[k]
        }
    }
}

extension ElementUpdate {
    /// - Parameter gradient: scaled already.
    fileprivate func outcome(value: Float, gradient: Float, moments: [Float]) -> Outcome {
        if skipsZeros && gradient == 0 { return .kept }
        if !gradient.isFinite { return .cleared }
        var g = min(max(gradient, -gradientLimit), gradientLimit)
        if coupledDecay != 0 { g = g.addingProduct(coupledDecay, value) }
        var moments = moments
        let direction = rule.direction(g, &moments)
        if !moments.allSatisfy(\.isFinite) { return .cleared }
        return .moved(direction: direction, moments: moments)
    }

    fileprivate func moved(_ value: Float, by step: Float, _ direction: Float, rounded: (Float) -> Float) -> Float {
        if decaysFirst { return rounded(rounded(value * decay).addingProduct(step, direction)) }
        return rounded(rounded(value.addingProduct(step, direction)) * decay)
    }
}

extension MomentSlice {
    fileprivate func read(_ memory: some ReferenceMemory) -> [Float] {
        guard let blocks else { return memory.floats(values) }
        let codebook = memory.floats(blocks.codebook)
        let absmax = memory.floats(blocks.absmax)
        return memory.integers(values).enumerated().map { i, code in codebook[code] * absmax[i / blocks.size] }
    }

    /// - Parameter keeping: whether the elements in a block's range keep their codes and their scale.
    fileprivate func write(_ state: [Float], _ memory: some ReferenceMemory, keeping: (Range<Int>) -> Bool) {
        guard let blocks else { return memory.store(state, to: values) }
        let codebook = memory.floats(blocks.codebook)
        let nearest = NearestCode(codebook: codebook)
        var codes = memory.integers(values)
        var absmax = memory.floats(blocks.absmax)
        for (index, block) in state.blocks(of: blocks.size).enumerated() where !keeping(block.indices) {
            absmax[index] = Array(block).largestMagnitude
            let inverse = 1 / max(absmax[index], .leastNormalMagnitude)
            for i in block.indices {
                let y = block[i] * inverse
                codes[i] = nearest(y)
                if blocks.isSigned && !y.isNaN { codes[i] = withSign(of: block[i], codes[i], codebook) }
            }
        }
        memory.store(codes, to: values)
        memory.store(absmax, to: blocks.absmax)
    }

    private func withSign(of s: Float, _ code: Int, _ codebook: [Float]) -> Int {
        guard s != 0, codebook[code].sign != s.sign else { return code }
        return s > 0 ? min(code + 1, 255) : max(code - 1, 0)
    }
}
