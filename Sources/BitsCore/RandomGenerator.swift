package import BitsKernels

/// A seeded source of randomness, passed explicitly: the same seed gives the same numbers on every machine and device, for any number of threads.
///
/// Every number is a function of the seed, the stream and the place in it (Philox 4x32-10), so a generator is three numbers: it can be saved, compared,
/// copied to draw the same again, and split into streams that are independent of one another. A draw takes whole blocks of four words: a number on its
/// own one block, a tensor a quarter of its elements.
///
/// Salmon, Moraes, Dror and Shaw 2011, "Parallel Random Numbers: As Easy as 1, 2, 3".
public struct RandomGenerator: RandomNumberGenerator, Sendable, Equatable, Codable {
    private var place: RandomStream

    /// The beginning of one of a seed's 2^64 streams.
    public init(seed: UInt64, stream: UInt64 = 0) { place = RandomStream(seed: seed, stream: stream) }

    /// The beginning of another stream of the same seed: no number of one stream depends on how many were drawn from another.
    public func stream(_ number: UInt64) -> RandomGenerator { RandomGenerator(seed: place.seed, stream: number) }

    public mutating func next() -> UInt64 {
        let words = draw(4).block()
        return UInt64(words[1]) << 32 | UInt64(words[0])
    }

    /// A draw from [0, 1), a multiple of 2^-24.
    public mutating func uniform() -> Float { first(.uniform(low: 0, high: 1)) }

    /// A draw from the standard normal distribution (Box and Muller 1958), at most 6.66 from 0.
    public mutating func normal() -> Float { first(.normal(mean: 0, deviation: 1)) }

    /// The first element that a tensor drawn from here would have.
    private mutating func first(_ distribution: RandomFill.Distribution) -> Float { distribution.values(of: draw(4).block())[0] }

    /// The place of the next `count` words, for a kernel; the generator goes on behind them. In a checkpointed block that runs again it is the place of the
    /// first time, and the generator stays where it is.
    package mutating func draw(_ count: Int) -> RandomStream { Tape.drawing { place.draw(count) } }
}
