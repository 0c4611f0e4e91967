import Testing

@testable import BitsIO

@Suite("Checks of bytes")
struct CRC32CTests {
    @Test(
        "Known checks, whole and in parts",
        arguments: [
            (Array("123456789".utf8), 0xe306_9283), ([UInt8](repeating: 0, count: 32), 0x8a91_36aa),
            ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43), (Array(0..<32), 0x46dd_794e), ([], 0),
        ] as [([UInt8], UInt32)])
    func known(bytes: [UInt8], expected: UInt32) {
        for cut in 0...bytes.count {
            var check = CRC32C()
            check.append(bytes[..<cut])
            check.append(bytes[cut...])
            #expect(check.value == expected, "cut at \(cut)")
        }
    }
}
