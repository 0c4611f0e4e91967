extension ElementRule {
    /// The direction of the step; `s` are the element's moments, which change.
    func direction(_ g: Float, _ s: inout [Float]) -> Float {
        switch self {
        case .adam(let rule): rule.direction(g, &s)
        case .adEMAMix(let rule): rule.direction(g, &s)
        case .momentum(let rule): rule.direction(g, &s)
        case .rmsProp(let rule): rule.direction(g, &s)
        case .adagrad(let rule): rule.direction(g, &s)
        case .lion(let rule): rule.direction(g, &s)
        case .custom(let direction): direction(g, &s)
        }
    }
}

/// `a * b + c`, rounded once.
private func fma(_ a: Float, _ b: Float, _ c: Float) -> Float { c.addingProduct(a, b) }

extension ElementRule.Adam {
    fileprivate func direction(_ g: Float, _ s: inout [Float]) -> Float {
        s[0] = fma(beta1, s[0], gain1 * g)
        s[1] = fma(beta2, s[1], gain2 * (g * g))
        guard usesMaximum else { return s[0] / (s[1].squareRoot() + epsilon) }
        s[2] = s[1] > s[2] ? s[1] : s[2]
        return s[0] / (s[2].squareRoot() + epsilon)
    }
}

extension ElementRule.AdEMAMix {
    fileprivate func direction(_ g: Float, _ s: inout [Float]) -> Float {
        s[0] = fma(beta1, s[0], gain1 * g)
        s[1] = fma(beta3, s[1], gain3 * g)
        s[2] = fma(beta2, s[2], gain2 * (g * g))
        return fma(alpha, s[1], bias * s[0]) / (s[2].squareRoot() + epsilon)
    }
}

extension ElementRule.Momentum {
    fileprivate func direction(_ g: Float, _ s: inout [Float]) -> Float {
        if s.isEmpty { return g }
        s[0] = isFirst ? g : roundsTwice ? beta * s[0] + gain * g : fma(beta, s[0], gain * g)
        return isNesterov ? fma(beta, s[0], g) : s[0]
    }
}

extension ElementRule.RMSProp {
    fileprivate func direction(_ g: Float, _ s: inout [Float]) -> Float {
        s[0] = fma(beta, s[0], gain * g * g)
        var variance = s[0]
        if isCentered {
            let mean = fma(beta, s[s.count - 1], gain * g)
            s[s.count - 1] = mean
            variance = fma(-mean, mean, variance)
            if !(variance > 0) { variance = 0 }
        }
        let d = g / (variance.squareRoot() + epsilon)
        guard let momentum else { return d }
        s[1] = fma(momentum, s[1], d)
        return s[1]
    }
}

extension ElementRule.Adagrad {
    fileprivate func direction(_ g: Float, _ s: inout [Float]) -> Float {
        s[0] = fma(g, g, s[0])
        return g / (s[0].squareRoot() + epsilon)
    }
}

extension ElementRule.Lion {
    fileprivate func direction(_ g: Float, _ s: inout [Float]) -> Float {
        let x = fma(beta1, s[0], gain1 * g)
        s[0] = fma(beta2, s[0], gain2 * g)
        return x > 0 ? 1 : x < 0 ? -1 : 0
    }
}
