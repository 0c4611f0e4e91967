import BitsCore
import BitsQuant
import Testing

@Suite("Codebooks")
struct CodebookTests {
    @Test("The dynamic maps hold the values that files and statistics are made with")
    func dynamicValues() throws {
        let signed = Codebook.dynamic.values.map(\.bitPattern)
        #expect(
            Array(signed[127..<136]) == [0, 0x3513_a3b7, 0x365a_1a94, 0x3702_05ff, 0x37b2_4206, 0x3837_8034, 0x388a_efb3, 0x38ba_1f4b, 0x3923_d70b])
        #expect(Array(signed[252...]) == [0x3f73_6666, 0x3f77_0000, 0x3f7a_999a, 0x3f7e_3333, 0x3f80_0000].suffix(4))
        let unsigned = Codebook.dynamicUnsigned.values.map(\.bitPattern)
        #expect(Array(unsigned[0..<6]) == [0, 0x34ae_7baa, 0x3550_0998, 0x360e_9b38, 0x3692_ccf6, 0x36de_4c51])
        #expect(Array(unsigned[253...]) == [0x3f7d_4ccc, 0x3f7f_199a, 0x3f80_0000])
    }

    @Test("The signed dynamic map has no -1, an exact zero in the middle and mirrored signs around it")
    func dynamicShape() {
        let values = Codebook.dynamic.values
        #expect(values[127] == 0)
        #expect(values[255] == 1)
        #expect(abs(values[0] + 0.992968738) < 1e-9)
        #expect((1...127).allSatisfy { values[127 - $0] == -values[127 + $0] })
    }

    @Test("The default widths give the named maps")
    func defaults() throws {
        #expect(try Codebook.dynamic() == .dynamic)
        #expect(try Codebook.dynamic(signed: false) == .dynamicUnsigned)
    }

    @Test("A narrower map keeps its values apart and fills up with zeros", arguments: [(3, 4), (1, 4), (5, 6), (3, 8)])
    func narrow(exponentBits: Int, bits: Int) throws {
        let values = try Codebook.dynamic(maximumExponentBits: exponentBits, totalBits: bits).values
        #expect(values.count == 256)
        #expect(values == values.sorted())
        #expect(Set(values).count == 1 << bits)
    }

    @Test("Widths that make no map are refused with the ones that do")
    func refusedWidths() {
        #expect(throws: QuantizationError.invalidCodebook("5 exponent bits in a dynamic map of 8 bits; use 7")) {
            try Codebook.dynamic(signed: false, maximumExponentBits: 5)
        }
        #expect(throws: QuantizationError.self) { try Codebook.dynamic(maximumExponentBits: 8) }
        #expect(throws: QuantizationError.self) { try Codebook.dynamic(totalBits: 9) }
        #expect(throws: QuantizationError.self) { try Codebook.floatingPoint(exponentBits: 5, precisionBits: 3) }
        #expect(throws: QuantizationError.self) { try Codebook.linear(totalBits: 12) }
        #expect(throws: QuantizationError.self) { try Codebook.normal(offset: 1) }
    }

    @Test("The linear map of 8 bits has an exact zero beside the rounding error of its centre")
    func linear() throws {
        let values = try Codebook.linear().values
        #expect(values[127] == 0)
        #expect(values[128] == 3.7252903e-09)
        #expect(values[0] == -1)
        #expect(values[255] == 1)
        #expect(try Codebook.linear(addZero: false).values.contains(0) == false)
    }

    @Test("A linear map of 4 bits without a sign keeps its zeros between the halves")
    func linearNarrow() throws {
        let values = try Codebook.linear(signed: false, totalBits: 4).values
        #expect(abs(values[7] - 7.0 / 15) < 1e-7)
        #expect(values[8..<248].allSatisfy { $0 == 0 })
        #expect(values[255] == 1)
    }

    @Test("The smallest float map has subnormal values")
    func floats() throws {
        let values = try Codebook.floatingPoint(exponentBits: 2, precisionBits: 1, totalBits: 4).values
        #expect(values.filter { $0 > 0 }.min() == Float(0.125 / 6))
        #expect(values.max() == 1)
    }

    @Test("The normal map is nf4 with zeros in between")
    func normal() throws {
        let values = try Codebook.normal().values.filter { $0 != 0 }
        #expect(values == FourBitFormat.nf4.values.filter { $0 != 0 })
        #expect(try Codebook.normal(useExtraValue: false).values.filter { $0 != 0 }.count == 14)
    }

    @Test("A codebook of the wrong length or with a value that is not a number is refused")
    func refusedValues() {
        #expect(throws: QuantizationError.invalidCodebook("it has 16 values; 8-bit codes need 256")) {
            try Codebook([Float](repeating: 0, count: 16))
        }
        #expect(throws: QuantizationError.self) { try Codebook([Float](repeating: .nan, count: 256)) }
        #expect(throws: QuantizationError.self) { try Codebook([Float](repeating: 0x1p127, count: 256)) }
    }
}
