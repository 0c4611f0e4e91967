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

    /// Cosines and sines of `position * frequency` for positions below `count`, float32 [count, H / 2].
    fileprivate func table(_ count: Int, device: Device) -> (cosine: Tensor, sine: Tensor) {
        let angles = (0..<count).flatMap { position in frequencies.map { Float(position) * $0 } }
        let shape = [count, frequencies.count]
        return (Tensor(angles.map { cosf($0) }, shape: shape, device: device), Tensor(angles.map { sinf($0) }, shape: shape, device: device))
    }
}

/// The angles of a rotary embedding by position, where they are needed: made once, and again with twice the positions when longer sequences come.
public final class RotaryTable {
    public let embedding: RotaryEmbedding
    private var table: (cosine: Tensor, sine: Tensor)?

    public init(_ embedding: RotaryEmbedding) { self.embedding = embedding }

    /// The angles of tokens at `positions`, int32, which are below `span`.
    public func angles(at positions: Tensor, below span: Int) -> RotaryAngles {
        let kept = table.flatMap { $0.cosine.device == positions.device && $0.cosine.shape[0] >= span ? $0 : nil }
        let angles = kept ?? embedding.table(max(256, 1 << (Int.bitWidth - max(span - 1, 0).leadingZeroBitCount)), device: positions.device)
        table = angles
        return RotaryAngles(cosine: angles.cosine, sine: angles.sine, positions: positions)
    }
}
