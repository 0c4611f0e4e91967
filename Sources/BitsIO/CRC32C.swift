/// The cyclic redundancy check of Castagnoli's polynomial (RFC 3720, appendix B.4), over bytes that come in parts: eight bytes a step.
package struct CRC32C {
    private var register: UInt32 = ~0

    package init() {}

    /// The check of the bytes so far.
    package var value: UInt32 { ~register }

    package mutating func append(_ bytes: some RandomAccessCollection<UInt8>) {
        var rest = Array(bytes)[...]
        while rest.count >= 8 {
            let start = rest.startIndex
            register =
                CRC32C.table(7, register ^ UInt32(rest[start])) ^ CRC32C.table(6, register >> 8 ^ UInt32(rest[start + 1]))
                ^ CRC32C.table(5, register >> 16 ^ UInt32(rest[start + 2])) ^ CRC32C.table(4, register >> 24 ^ UInt32(rest[start + 3]))
                ^ CRC32C.table(3, UInt32(rest[start + 4])) ^ CRC32C.table(2, UInt32(rest[start + 5]))
                ^ CRC32C.table(1, UInt32(rest[start + 6])) ^ CRC32C.table(0, UInt32(rest[start + 7]))
            rest = rest[(start + 8)...]
        }
        for byte in rest { register = CRC32C.table(0, register ^ UInt32(byte)) ^ register >> 8 }
    }

    /// What a byte does to the register when `row` zero bytes follow.
    private static func table(_ row: Int, _ byte: UInt32) -> UInt32 { tables[row << 8 | Int(byte & 0xff)] }

    private static let tables: [UInt32] = {
        var tables = (0..<256).map { byte in (0..<8).reduce(UInt32(byte)) { value, _ in value >> 1 ^ (value & 1 == 1 ? 0x82f6_3b78 : 0) } }
        for place in 256..<2048 { tables.append(tables[place - 256] >> 8 ^ tables[Int(tables[place - 256] & 0xff)]) }
        return tables
    }()
}
