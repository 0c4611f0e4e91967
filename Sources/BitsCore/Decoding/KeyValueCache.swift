package import BitsKernels

// Shapes: B = sequences, T = new tokens, G = key and value heads, H = head width.

/// The keys and values of the tokens seen so far, per layer, so that the next tokens attend to them without computing them again.
///
/// Several sequences lie side by side, each of its own length. Lengths stay on the device, where ``advance(by:)`` moves them; the host only counts
/// how long a sequence is at most. Memory doubles as it fills; between two such times every address stays the same from pass to pass.
public final class KeyValueCache {
    /// The most tokens that a sequence may have.
    public let capacity: Int
    private let memory: Memory
    /// Which of the memory's sequences are meant.
    private let range: Range<Int>
    /// Where the tokens of the pass go that is under way.
    private var places: TokenPlaces?
    /// In a pass that begins sequences, where in the memory of all of them a token goes: int32 [1, T].
    private var slots: Tensor?

    /// What a cache and those of its sequences alone have in common.
    private final class Memory {
        /// [B, room, G, H] each
        var layers: [(key: Tensor, value: Tensor)]
        /// int32 [B]; -1 for a sequence that has ended.
        let lengths: Tensor
        /// How often the memory has moved.
        var place = 0
        /// Of each sequence, as far as the host knows; nil when it has ended.
        var counts: [Int?]

        init(layers: [(key: Tensor, value: Tensor)], lengths: Tensor) {
            self.layers = layers
            self.lengths = lengths
            counts = [Int?](repeating: 0, count: lengths.count)
        }
    }

    /// - Parameters:
    ///   - capacity: the most tokens that a sequence may have; memory is taken as they come.
    ///   - heads: key and value heads, G.
    ///   - dtype: type of the entries; float32 is exact, bfloat16 and float16 take half the memory.
    public init(layers: Int, sequences: Int = 1, capacity: Int, heads: Int, headWidth: Int, dtype: DType = .float32, device: Device = .cpu) {
        precondition(sequences > 0 && dtype.isFloatingPoint, "a cache of \(dtype.rawValue) for \(sequences) sequences")
        self.capacity = capacity
        range = 0..<sequences
        func empty() -> Tensor { Tensor(device.allocate(dtype, count: 0), shape: [sequences, 0, heads, headWidth]) }
        memory = counted(as: .cache) {
            Memory(
                layers: (0..<layers).map { _ in (empty(), empty()) }, lengths: Tensor([Int32](repeating: 0, count: sequences), device: device))
        }
    }

    private init(_ memory: Memory, range: Range<Int>, capacity: Int) {
        self.memory = memory
        self.range = range
        self.capacity = capacity
    }

    /// One sequence alone, in the same memory.
    public subscript(sequence: Int) -> KeyValueCache { self[sequence..<sequence + 1] }

    /// Some sequences that lie side by side, in the same memory.
    package subscript(sequences: Range<Int>) -> KeyValueCache {
        KeyValueCache(memory, range: range.lowerBound + sequences.lowerBound..<range.lowerBound + sequences.upperBound, capacity: capacity)
    }

    public var sequences: Int { range.count }

    /// Tokens that the longest sequence has.
    public var length: Int { memory.counts[range].reduce(0) { max($0, $1 ?? 0) } }

    /// Makes room for `tokens` new tokens of each sequence that has not ended, and says where they are; the layers' keys and values are appended next.
    ///
    /// The places of a pass of one token a sequence are overwritten by those of the next.
    public func advance(by tokens: Int) -> TokenPlaces {
        for sequence in range { memory.counts[sequence]? += tokens }
        makeRoom()
        let reused = places.flatMap { $0.positions.shape[1] == tokens && tokens == 1 ? $0 : nil }
        let positions = reused?.positions ?? memory.lengths.empty([sequences, tokens])
        let ranges = reused?.ranges ?? AttentionRanges(memory.lengths.empty([sequences, tokens, 2]))
        memory.lengths.device.run(
            AdvancePositions(
                memory.lengths.narrowed(axis: 0, to: range).elements, by: tokens, positions: positions.slice, keyRanges: ranges.tensor.slice))
        let next = TokenPlaces(positions: positions, span: room, length: length, limit: capacity, ranges: ranges)
        (places, slots) = (next, nil)
        return next
    }

    /// Whether a sequence has no tokens, and has not ended.
    package func isNew(_ sequence: Int) -> Bool { memory.counts[range.lowerBound + sequence] == 0 }

    /// Makes room for the first tokens of sequences that have none, `lengths` of each, which lie one after the other in the one row of the pass, and says
    /// where they are; the layers' keys and values are appended next. They see what the pass has of their own sequence, which is all that there is.
    package func begin(_ lengths: [Int]) -> TokenPlaces {
        precondition(
            lengths.count == sequences && lengths.allSatisfy { $0 > 0 } && memory.counts[range].allSatisfy { $0 == 0 },
            "\(lengths) first tokens of the sequences of a cache of \(sequences), which has \(length) of one")
        memory.counts.replaceSubrange(range, with: lengths)
        makeRoom()
        precondition(sequences * room <= Int32.max, "\(sequences) sequences with room for \(room) tokens; \(Int32.max) can be begun at a time")
        let device = memory.lengths.device
        let counts = Tensor(lengths.map { Int32($0) }, device: device)
        device.run(StridedCopy(from: counts.strided, to: memory.lengths.narrowed(axis: 0, to: range).strided))
        let next = TokenPlaces(packing: lengths, span: room, limit: capacity, device: device)
        let numbers = lengths.enumerated().flatMap { sequence, length in (0..<length).map { Int32(sequence * room + $0) } }
        (places, slots) = (next, Tensor(numbers, shape: [1, numbers.count], device: device))
        return next
    }

    /// Where a pass of one more token a sequence finds the memory: the same number as long as it does not move; nil when the pass has to move it.
    package var place: Int? { length < room ? memory.place : nil }

    /// Counts the tokens of a pass that was recorded and is submitted again.
    package func noteRepeatedPass() {
        precondition(length < room, "\(length + 1) tokens in memory for \(room)")
        for sequence in range { memory.counts[sequence]? += 1 }
    }

    /// Writes the keys and values [B, T, G, H] of the pass's tokens to `layer`, and returns what they attend to: all of its memory, [B, room, G, H], of which
    /// the places of ``advance(by:)`` say what counts; in a pass that begins sequences, what is new, as it was written. No gradient flows.
    public func append(layer: Int, key: Tensor, value: Tensor) -> (key: Tensor, value: Tensor) {
        guard let places else { preconditionFailure("keys and values without a place; advance the cache first") }
        let (keys, values) = (memory.layers[layer].key.narrowed(axis: 0, to: range), memory.layers[layer].value.narrowed(axis: 0, to: range))
        precondition(
            key.shape == Array(places.positions.shape) + keys.shape[2...] && value.shape == key.shape,
            "keys \(key.shape) and values \(value.shape) at places \(places.positions.shape) of a cache \(keys.shape)")
        // Tokens with slots go to the memory of all sequences as if it were that of one.
        key.device.run(
            CacheWrite(
                key: key.elements, value: value.elements, positions: (slots ?? places.positions).slice, keyCache: keys.elements,
                valueCache: values.elements, sequences: slots == nil ? sequences : 1, width: keys.shape[2] * keys.shape[3]))
        return slots == nil ? (keys, values) : (key.cast(to: keys.dtype), value.cast(to: values.dtype))
    }

    /// Ends a sequence: further passes compute it as well, but it sees nothing, keeps nothing and gets no longer.
    public func end(_ sequence: Int) {
        guard memory.counts[range.lowerBound + sequence] != nil else { return }
        setLength(-1, of: range.lowerBound + sequence, count: nil)
    }

    /// Has every sequence go on after its first `length` tokens, also one that has ended: what it had until then is still there.
    public func resume(at length: Int) {
        for sequence in range {
            let count = memory.counts[sequence] ?? room
            precondition(length >= 0 && length <= count, "cannot go on after \(length) of \(count) tokens")
            setLength(length, of: sequence, count: length)
        }
    }

    private func setLength(_ length: Int, of sequence: Int, count: Int?) {
        memory.counts[sequence] = count
        memory.lengths.device.run(Fill(Float(length), into: memory.lengths.narrowed(axis: 0, to: sequence..<sequence + 1).elements))
    }

    /// Tokens a sequence that there is memory for.
    private var room: Int { memory.layers.first?.key.shape[1] ?? 0 }

    /// Sees to it that there is memory for what the sequences have now.
    private func makeRoom() {
        precondition(length <= capacity, "\(length) tokens in a cache for \(capacity)")
        if length > room { grow(to: length) }
    }

    private func grow(to needed: Int) {
        memory.place += 1
        let (old, larger) = (room, min(capacity, max(needed, 2 * room, 256)))
        func grown(_ tensor: Tensor) -> Tensor {
            let result = counted(as: .cache) { tensor.empty([tensor.shape[0], larger] + tensor.shape[2...]) }
            // Of all sequences, whichever of them it is that grows.
            if old > 0 { tensor.device.run(StridedCopy(from: tensor.strided, to: result.narrowed(axis: 1, to: 0..<old).strided)) }
            return result
        }
        // Layer by layer, so that one of them at most is there twice.
        for layer in memory.layers.indices {
            memory.layers[layer].key = grown(memory.layers[layer].key)
            memory.layers[layer].value = grown(memory.layers[layer].value)
        }
    }
}
