import BitsCore
import BitsIO
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Parity: codebooks")
struct CodebooksParityTests {
    @Test("Every recorded codebook comes out")
    func codebooks() throws {
        try ParityCases.compare("codebooks") { parityCase in
            let ours = Tensor(try values(parityCase))
            let difference = try parityCase.tolerance("code").difference(ours, try parityCase.require("code"))
            #expect(difference == nil, "\(parityCase.id): the codebook \(difference ?? "")")
            return nil
        }
    }

    private func values(_ parityCase: ParityCase) throws -> [Float] {
        let arguments = parityCase.arguments
        switch parityCase.operation {
        case "create_dynamic_map":
            return try Codebook.dynamic(
                signed: arguments.require("signed"), maximumExponentBits: arguments.require("max_exponent_bits"),
                totalBits: arguments.require("total_bits")
            ).values
        case "create_linear_map":
            return try Codebook.linear(
                signed: arguments.require("signed"), totalBits: arguments.require("total_bits"), addZero: arguments.require("add_zero")
            ).values
        case "create_fp8_map":
            return try Codebook.floatingPoint(
                signed: arguments.require("signed"), exponentBits: arguments.require("exponent_bits"),
                precisionBits: arguments.require("precision_bits"), totalBits: arguments.require("total_bits")
            ).values
        case "create_normal_map":
            return try Codebook.normal(
                offset: Float(arguments.require("offset", as: Double.self)), useExtraValue: arguments.require("use_extra_value")
            )
            .values
        case "get_4bit_type":
            let name = try arguments.require("quant_type", as: String.self)
            let format = try #require(FourBitFormat(rawValue: name), "\(parityCase.id): no format \(name)")
            return format.storedValues
        default:
            Issue.record("\(parityCase.id): unknown operation \(parityCase.operation)")
            return []
        }
    }
}
