import BitsSystem
public import BitsCore

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
    }

    /// float32 [H / 2]
    public let frequencies: [Float]

    public init(headWidth: Int, theta: Float, scaling: Scaling = .none) {
        precondition(headWidth % 2 == 0, "rotary embedding needs an even head width, not \(headWidth)")
        frequencies = (0..<headWidth / 2).map { index in
            let frequency = Float(1 / pow(Double(theta), Double(2 * index) / Double(headWidth)))
            switch scaling {
            case .none: return frequency
            case .linear(let factor): return frequency / factor
            case .llama3(let factor, let low, let high, let context):
                let wavelength = 2 * Float.pi / frequency
                if wavelength < Float(context) / high { return frequency }
                if wavelength > Float(context) / low { return frequency / factor }
                let smooth = (Float(context) / wavelength - low) / (high - low)
                return (1 - smooth) * frequency / factor + smooth * frequency
            }
        }
    }

    /// Cosine and sine of `position * frequency` for each position, in order.
    public func angles(_ positions: [Int32], device: Device = .cpu) -> RotaryAngles {
        var cosine: [Float] = []
        var sine: [Float] = []
        cosine.reserveCapacity(positions.count * frequencies.count)
        sine.reserveCapacity(positions.count * frequencies.count)
        for position in positions {
            for frequency in frequencies {
                let angle = Float(position) * frequency
                cosine.append(cosf(angle))
                sine.append(sinf(angle))
            }
        }
        let shape = [positions.count, frequencies.count]
        return RotaryAngles(cosine: Tensor(cosine, shape: shape, device: device), sine: Tensor(sine, shape: shape, device: device))
    }
}
