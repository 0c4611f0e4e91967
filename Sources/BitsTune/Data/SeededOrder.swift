import BitsCore

/// An order of the numbers from 0 that a seed decides: place by place, without a list of them, so that a run takes up its data wherever it stopped.
///
/// A Feistel network of six rounds over the next even number of bits; what falls outside goes through it again.
struct SeededOrder: Sendable {
    let count: Int
    private let half: UInt64
    private let keys: [UInt64]

    init(count: Int, using generator: RandomGenerator) {
        var generator = generator
        self.count = count
        half = UInt64(max(2, UInt64.bitWidth - UInt64(max(1, count - 1)).leadingZeroBitCount) + 1) / 2
        keys = (0..<6).map { _ in generator.next() }
    }

    /// The number at a place from 0 to below ``count``.
    subscript(place: Int) -> Int {
        precondition(place >= 0 && place < count, "place \(place) of \(count)")
        var value = UInt64(place)
        repeat { value = mixed(value) } while value >= UInt64(count)
        return Int(value)
    }

    private func mixed(_ value: UInt64) -> UInt64 {
        let mask = UInt64(1) << half - 1
        var (left, right) = (value >> half, value & mask)
        for key in keys { (left, right) = (right, left ^ (SeededOrder.hash(right ^ key) & mask)) }
        return left << half | right
    }

    /// The finalizer of SplitMix64 (Steele, Lea and Flood 2014): every bit of the result depends on every bit of the argument.
    private static func hash(_ value: UInt64) -> UInt64 {
        var value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}
