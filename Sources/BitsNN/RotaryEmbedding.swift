import BitsSystem

/// The frequencies of rotary position embedding (Su et al. 2021, arXiv:2104.09864): `theta^(-2i / H)` for `i < H / 2`, scaled or not.
public struct RotaryEmbedding: Sendable, Equatable {
    /// How a model stretches its frequencies to contexts longer than it was trained on.
    public enum Scaling: Sendable, Equatable {
        case none
        /// Positions divided by `factor`.
        case linear(factor: Float)
        /// Llama 3.1: wavelengths above `originalContext / lowFrequencyFactor` divided by `factor`, those below `originalContext / highFrequencyFactor`
        /// kept, those between interpolated.
        case llama3(factor: Float, lowFrequencyFactor: Float, highFrequencyFactor: Float, originalContext: Int)
        /// A base that grows with the length beyond `originalContext`: `theta * (factor * length / originalContext - factor + 1)^(H / (H - 2))`.
        case dynamic(factor: Float, originalContext: Int)
        /// YaRN (Peng et al. 2023, arXiv:2309.00071): frequencies that turn less than `slowTurns` times within `originalContext` divided by `factor`, those that
        /// turn more than `fastTurns` times kept, those between interpolated. The bounds are whole indices if it `rounds` them.
        case yarn(factor: Float, originalContext: Int, fastTurns: Float = 32, slowTurns: Float = 1, rounds: Bool = true)
        /// LongRoPE (Ding et al. 2024, arXiv:2402.13753): each frequency divided by a factor of its own, from `short` for sequences of at most `originalContext`
        /// tokens, and from `long` for longer ones.
        case longRope(short: [Float], long: [Float], originalContext: Int)
    }

    /// H, the features of a head that are rotated.
    public let headWidth: Int
    public let theta: Float
    public let scaling: Scaling
    /// Multiplies cosines and sines; 1 unless given.
    public let amplitude: Float

    public init(headWidth: Int, theta: Float, scaling: Scaling = .none, amplitude: Float = 1) {
        precondition(headWidth > 0 && headWidth % 2 == 0, "rotary embedding needs an even head width, not \(headWidth)")
        if case .longRope(let short, let long, _) = scaling {
            precondition(
                short.count == headWidth / 2 && long.count == headWidth / 2, "\(short.count) and \(long.count) factors for \(headWidth) features")
        }
        (self.headWidth, self.theta, self.scaling, self.amplitude) = (headWidth, theta, scaling, amplitude)
    }

    /// What a token's angle depends on beside its position.
    public enum LengthDependence: Sendable {
        case nothing
        /// How long its sequence may become.
        case limit
        /// How long its sequence is.
        case length
    }

    public var lengthDependence: LengthDependence {
        switch scaling {
        case .none, .linear, .llama3, .yarn: .nothing
        case .longRope: .limit
        case .dynamic: .length
        }
    }

    /// float32 [H / 2], for sequences of no more tokens than the model was trained on.
    public var frequencies: [Float] { frequencies(length: 0) }

    /// float32 [H / 2], for sequences of `length` tokens.
    public func frequencies(length: Int) -> [Float] {
        let plain = powers(of: theta)
        switch scaling {
        case .none: return plain
        case .linear(let factor): return plain.map { $0 / factor }
        case .llama3(let factor, let low, let high, let context):
            return plain.map { frequency in
                let wavelength = 2 * Float.pi / frequency
                if wavelength < Float(context) / high { return frequency }
                if wavelength > Float(context) / low { return frequency / factor }
                let smooth = (Float(context) / wavelength - low) / (high - low)
                return (1 - smooth) * frequency / factor + smooth * frequency
            }
        case .dynamic(let factor, let context):
            guard length > context else { return plain }
            let stretch = Double(factor) * Double(length) / Double(context) - Double(factor) + 1
            return powers(of: Float(Double(theta) * pow(stretch, Double(headWidth) / Double(headWidth - 2))))
        case .yarn(let factor, let context, let fast, let slow, let rounds):
            let (low, high) = (yarnIndex(turns: fast, context), yarnIndex(turns: slow, context))
            let start = max(rounds ? low.rounded(.down) : low, 0)
            var end = min(rounds ? high.rounded(.up) : high, Float(headWidth - 1))
            if start == end { end += 0.001 }
            return plain.enumerated().map { index, frequency in
                let slowness = min(max((Float(index) - start) / (end - start), 0), 1)
                return frequency / factor * slowness + frequency * (1 - slowness)
            }
        case .longRope(let short, let long, let context): return zip(plain, length > context ? long : short).map { $0 / $1 }
        }
    }

    private func powers(of base: Float) -> [Float] {
        (0..<headWidth / 2).map { Float(1 / pow(Double(base), Double(2 * $0) / Double(headWidth))) }
    }

    /// The index, not whole, of the frequency that turns so often within `context`.
    private func yarnIndex(turns: Float, _ context: Int) -> Float {
        Float(Double(headWidth) * log(Double(context) / (Double(turns) * 2 * Double.pi)) / (2 * log(Double(theta))))
    }
}
