import BitsSystem
public import BitsCore

/// The angles of a rotary embedding by position, where they are needed: made once, and again with twice the positions when longer sequences come.
public final class RotaryTable {
    public let embedding: RotaryEmbedding
    private var made: (kind: Kind, cosine: Tensor, sine: Tensor)?

    /// Which frequencies the rows of a table have.
    private enum Kind: Equatable {
        /// All of them those of sequences of this length.
        case length(Int)
        /// Each row those of a sequence that ends there.
        case growing
    }

    public init(_ embedding: RotaryEmbedding) { self.embedding = embedding }

    /// The angles of tokens at `places`.
    ///
    /// Where frequencies depend on the length: LongRoPE's go by what the sequences of the pass may grow to, so that all of their tokens have the same; those
    /// of a dynamic base by what they have grown to, so that a token keeps the angle of when it came, as in transformers.
    public func angles(at places: TokenPlaces) -> RotaryAngles {
        let (kind, device) = (kind(places), places.positions.device)
        if let made, made.kind == kind, made.cosine.device == device, made.cosine.shape[0] >= places.span {
            return RotaryAngles(cosine: made.cosine, sine: made.sine, positions: places.positions)
        }
        let rows = max(256, 1 << (Int.bitWidth - max(places.span - 1, 0).leadingZeroBitCount))
        let (cosine, sine) = table(kind, rows: rows, device: device)
        made = (kind, cosine, sine)
        return RotaryAngles(cosine: cosine, sine: sine, positions: places.positions)
    }

    private func kind(_ places: TokenPlaces) -> Kind {
        switch embedding.scaling {
        case .none, .linear, .llama3, .yarn: .length(0)
        case .longRope(_, _, let context): .length(places.limit > context ? context + 1 : 0)
        case .dynamic(_, let context): places.positions.shape.last == 1 ? .growing : .length(max(places.length, context))
        }
    }

    /// Cosines and sines of `position * frequency`, float32 [rows, H / 2].
    private func table(_ kind: Kind, rows: Int, device: Device) -> (cosine: Tensor, sine: Tensor) {
        var shared: [Float]?
        if case .length(let length) = kind { shared = embedding.frequencies(length: length) }
        let angles = (0..<rows).flatMap { position in (shared ?? embedding.frequencies(length: position + 1)).map { Float(position) * $0 } }
        func tensor(_ function: (Float) -> Float) -> Tensor {
            Tensor(angles.map { embedding.amplitude * function($0) }, shape: [rows, embedding.headWidth / 2], device: device)
        }
        return (tensor(cosf), tensor(sinf))
    }
}
