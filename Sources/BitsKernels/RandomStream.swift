/// Random words of 32 bits, each a function of its place alone: Philox 4x32-10.
///
/// Block b of a stream is ``philox(_:key:)`` of the counter `[b, stream]` with the seed as key, each number low word first. Word i of a draw is word
/// `i % 4` of block `position + i / 4`: a draw begins with a block, whatever was drawn before. So words are the same on every device, for any number of
/// threads, and again when they are drawn again.
///
/// Salmon, Moraes, Dror and Shaw 2011, "Parallel Random Numbers: As Easy as 1, 2, 3".
package struct RandomStream: Sendable, Equatable, Codable {
    package var seed: UInt64
    /// Which of the seed's 2^64 streams, which have no block in common.
    package var stream: UInt64
    /// The block that the next draw begins with.
    package var position: UInt64

    package init(seed: UInt64, stream: UInt64 = 0, position: UInt64 = 0) {
        (self.seed, self.stream, self.position) = (seed, stream, position)
    }

    /// The place of the next `count` words; this stream goes on behind them.
    package mutating func draw(_ count: Int) -> RandomStream {
        let place = self
        position &+= UInt64(count + 3) / 4
        return place
    }

    /// The four words of block `position + index`.
    package func block(_ index: Int = 0) -> SIMD4<UInt32> {
        let number = position &+ UInt64(index)
        return RandomStream.philox([number.low, number.high, stream.low, stream.high], key: [seed.low, seed.high])
    }

    /// Four random words for a counter of 128 bits and a key of 64, their lowest words first.
    package static func philox(_ counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
        var (words, key) = (counter, key)
        for _ in 0..<10 {
            let first = words[0].multipliedFullWidth(by: 0xd251_1f53)
            let second = words[2].multipliedFullWidth(by: 0xcd9e_8d57)
            words = [second.high ^ words[1] ^ key[0], second.low, first.high ^ words[3] ^ key[1], first.low]
            key &+= [0x9e37_79b9, 0xbb67_ae85]
        }
        return words
    }
}

extension UInt64 {
    fileprivate var low: UInt32 { UInt32(truncatingIfNeeded: self) }
    fileprivate var high: UInt32 { UInt32(truncatingIfNeeded: self >> 32) }
}
