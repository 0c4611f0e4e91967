/// A set of characters that is asked often: one bit each, of the planes in which characters decompose and marks lie.
struct ScalarBits: Sendable {
    private static let bound: UInt32 = 0x30000
    private var words = [UInt64](repeating: 0, count: Int(bound / 64))

    mutating func insert(_ scalar: UInt32) {
        precondition(scalar < ScalarBits.bound, "the character \(scalar) lies beyond \(ScalarBits.bound)")
        words[Int(scalar >> 6)] |= 1 << UInt64(scalar & 63)
    }

    @inline(__always)
    func contains(_ scalar: UInt32) -> Bool { scalar < ScalarBits.bound && words[Int(scalar >> 6)] >> UInt64(scalar & 63) & 1 != 0 }
}
