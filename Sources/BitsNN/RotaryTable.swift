import BitsSystem
public import BitsCore

/// The angles of a rotary embedding by position, where they are needed: made once, and again with twice the positions when longer sequences come.
public final class RotaryTable {
    public let embedding: RotaryEmbedding
    private var made: [Kind: Table] = [:]
    /// The table of the length that a dynamic base read last.
    private var passing: (kind: Kind, table: Table)?
    /// Tables that became too short: a step that was recorded with one still reads it.
    private var outgrown: [Table] = []

    private struct Table {
        let cosine: Tensor
        let sine: Tensor
    }

    /// Which frequencies the rows of a table have.
    private enum Kind: Hashable {
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
        // Of a dynamic base, passes over several tokens have a table each, which no step reads.
        let isPassing = embedding.lengthDependence == .length && kind != .growing
        let known = isPassing ? passing.flatMap { $0.kind == kind ? $0.table : nil } : made[kind]
        if let known, known.cosine.device == device, known.cosine.shape[0] >= places.span {
            return RotaryAngles(cosine: known.cosine, sine: known.sine, positions: places.positions)
        }
        let rows = max(256, 1 << (Int.bitWidth - max(places.span - 1, 0).leadingZeroBitCount))
        let table = table(kind, rows: rows, device: device)
        // A table that got no memory would hold the device to its failure for as long as it is kept.
        let isThere = table.cosine.hasMemory && table.sine.hasMemory
        if isThere && isPassing {
            passing = (kind, table)
        } else if isThere {
            if let known { outgrown.append(known) }
            made[kind] = table
        }
        return RotaryAngles(cosine: table.cosine, sine: table.sine, positions: places.positions)
    }

    private func kind(_ places: TokenPlaces) -> Kind {
        switch embedding.scaling {
        case .none, .linear, .llama3, .yarn: .length(0)
        case .longRope(_, _, let context): .length(places.limit > context ? context + 1 : 0)
        case .dynamic(_, let context): places.positions.shape.last == 1 ? .growing : .length(max(places.length, context))
        }
    }

    /// Cosines and sines of `position * frequency`, float32 [rows, H / 2].
    private func table(_ kind: Kind, rows: Int, device: Device) -> Table {
        var shared: [Float]?
        if case .length(let length) = kind { shared = embedding.frequencies(length: length) }
        let angles = (0..<rows).flatMap { position in (shared ?? embedding.frequencies(length: position + 1)).map { Float(position) * $0 } }
        func tensor(_ function: (Float) -> Float) -> Tensor {
            Tensor(angles.map { embedding.amplitude * function($0) }, shape: [rows, embedding.headWidth / 2], device: device)
        }
        return Table(cosine: tensor(cosf), sine: tensor(sinf))
    }
}
