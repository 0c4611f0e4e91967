/// The arithmetic of an optimizer on one element: from its gradient g and its moments s to new moments and the direction d of the step.
///
/// All of it is float32; `fma` rounds once, everything else after each operation. A `gain` is the share of what is new, usually one minus the `beta` of
/// what is kept. Order and rounding are those of bitsandbytes' CUDA kernels, so that moments come out with the same bits: products of `beta` are never
/// rounded, what is new is multiplied first, and everything is divided at the end.
package enum ElementRule: Sendable {
    case adam(Adam)
    case adEMAMix(AdEMAMix)
    case momentum(Momentum)
    case rmsProp(RMSProp)
    case adagrad(Adagrad)
    case lion(Lion)
    /// A rule given from outside the package: changes the moments, returns the direction.
    case custom(@Sendable (_ gradient: Float, _ moments: inout [Float]) -> Float)

    /// `s0 = fma(beta1, s0, gain1 * g)`, `s1 = fma(beta2, s1, gain2 * (g * g))`, `d = s0 / (sqrt(s1) + epsilon)`.
    ///
    /// With `usesMaximum`, `s2 = max(s2, s1)` takes the place of s1 in d.
    package struct Adam: Sendable {
        package var beta1, gain1, beta2, gain2, epsilon: Float
        package var usesMaximum: Bool

        package init(beta1: Float, gain1: Float, beta2: Float, gain2: Float, epsilon: Float, usesMaximum: Bool = false) {
            (self.beta1, self.gain1, self.beta2, self.gain2) = (beta1, gain1, beta2, gain2)
            (self.epsilon, self.usesMaximum) = (epsilon, usesMaximum)
        }
    }

    /// `s0 = fma(beta1, s0, gain1 * g)`, `s1 = fma(beta3, s1, gain3 * g)`, `s2 = fma(beta2, s2, gain2 * (g * g))`,
    /// `d = fma(alpha, s1, bias * s0) / (sqrt(s2) + epsilon)`.
    package struct AdEMAMix: Sendable {
        package var beta1, gain1, beta2, gain2, beta3, gain3, alpha, bias, epsilon: Float

        package init(
            beta1: Float, gain1: Float, beta2: Float, gain2: Float, beta3: Float, gain3: Float, alpha: Float, bias: Float, epsilon: Float
        ) {
            (self.beta1, self.gain1, self.beta2, self.gain2, self.beta3, self.gain3) = (beta1, gain1, beta2, gain2, beta3, gain3)
            (self.alpha, self.bias, self.epsilon) = (alpha, bias, epsilon)
        }
    }

    /// `s0 = g` at the first step, then `s0 = fma(beta, s0, gain * g)`; `d = s0`, with `isNesterov` `d = fma(beta, s0, g)`. Without moments `d = g`.
    ///
    /// With `roundsTwice`, `s0 = beta * s0 + gain * g`: so the original has it where CUDA has nothing, for bfloat16 gradients and 32-bit moments.
    package struct Momentum: Sendable {
        package var beta, gain: Float
        package var isFirst, isNesterov: Bool
        package var roundsTwice: Bool

        package init(beta: Float, gain: Float, isFirst: Bool, isNesterov: Bool = false, roundsTwice: Bool = false) {
            (self.beta, self.gain, self.isFirst, self.isNesterov) = (beta, gain, isFirst, isNesterov)
            self.roundsTwice = roundsTwice
        }
    }

    /// `s0 = fma(beta, s0, (gain * g) * g)`, `d = g / (sqrt(s0) + epsilon)`.
    ///
    /// Centered, the last moment is `a = fma(beta, a, gain * g)`, and `max(0, fma(-a, a, s0))` takes the place of s0 in d. With a momentum,
    /// `s1 = fma(momentum, s1, d)` and `d = s1`.
    package struct RMSProp: Sendable {
        package var beta, gain, epsilon: Float
        package var momentum: Float?
        package var isCentered: Bool

        package init(beta: Float, gain: Float, epsilon: Float, momentum: Float? = nil, isCentered: Bool = false) {
            (self.beta, self.gain, self.epsilon, self.momentum, self.isCentered) = (beta, gain, epsilon, momentum, isCentered)
        }
    }

    /// `s0 = fma(g, g, s0)`, `d = g / (sqrt(s0) + epsilon)`.
    package struct Adagrad: Sendable {
        package var epsilon: Float

        package init(epsilon: Float) { self.epsilon = epsilon }
    }

    /// `d = sign(fma(beta1, s0, gain1 * g))`, then `s0 = fma(beta2, s0, gain2 * g)`; the sign of zero is zero.
    package struct Lion: Sendable {
        package var beta1, gain1, beta2, gain2: Float

        package init(beta1: Float, gain1: Float, beta2: Float, gain2: Float) {
            (self.beta1, self.gain1, self.beta2, self.gain2) = (beta1, gain1, beta2, gain2)
        }
    }
}

extension ElementRule {
    /// Sets `roundsTwice` of a rule that has it.
    package mutating func roundMomentumTwice() {
        guard case .momentum(var momentum) = self else { return }
        momentum.roundsTwice = true
        self = .momentum(momentum)
    }
}
