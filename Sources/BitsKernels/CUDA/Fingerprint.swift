/// 128 bits that tell texts apart: two FNV-1a sums of 64, from different beginnings.
struct Fingerprint {
    private var sums: (UInt64, UInt64) = (0xcbf2_9ce4_8422_2325, 0x6c62_272e_07bb_0142)

    init(_ bytes: [UInt8]) { add(bytes) }

    init(_ texts: [String]) {
        for text in texts { add([UInt8](text.utf8) + [0]) }
    }

    private mutating func add(_ bytes: [UInt8]) {
        for byte in bytes {
            sums.0 = (sums.0 ^ UInt64(byte)) &* 0x100_0000_01b3
            sums.1 = (sums.1 ^ UInt64(byte ^ 0x5a)) &* 0x100_0000_01b3
        }
    }

    /// 32 hexadecimal digits.
    var text: String { [sums.0, sums.1].map { String(UInt64(1) << 63 | $0 >> 1, radix: 16) }.joined() }
}
