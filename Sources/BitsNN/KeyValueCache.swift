public import BitsCore

/// The keys and values of the tokens seen so far, per layer, so that the next token attends to them without computing them again.
public final class KeyValueCache {
    /// Tokens that every layer holds; grows by ``advance(_:)``.
    public private(set) var length = 0
    /// Tokens that fit; memory is taken as they come.
    public let capacity: Int
    private let layers: [(key: TokenBuffer, value: TokenBuffer)]

    /// - Parameters:
    ///   - heads: key and value heads, G.
    ///   - dtype: type of the entries; float32 is exact, bfloat16 halves the memory.
    public init(layers: Int, batch: Int = 1, capacity: Int, heads: Int, headWidth: Int, dtype: DType = .float32, device: Device = .cpu) {
        self.capacity = capacity
        self.layers = (0..<layers).map { _ in
            let shape = [batch, capacity, heads, headWidth]
            return (TokenBuffer(shape: shape, dtype: dtype, device: device), TokenBuffer(shape: shape, dtype: dtype, device: device))
        }
    }

    /// Appends the keys and values [B, T, G, H] of new tokens to `layer`, and returns all that it holds, [B, length + T, G, H].
    public func append(layer: Int, key: Tensor, value: Tensor) -> (key: Tensor, value: Tensor) {
        (layers[layer].key.write(key, at: length), layers[layer].value.write(value, at: length))
    }

    /// Counts `tokens` as seen, once every layer has them.
    public func advance(_ tokens: Int) {
        length += tokens
        precondition(length <= capacity, "\(length) tokens in a cache for \(capacity)")
    }

    /// Forgets all tokens after the first `length`.
    public func truncate(to length: Int) {
        precondition(length <= self.length, "cannot truncate \(self.length) tokens to \(length)")
        self.length = length
    }
}
