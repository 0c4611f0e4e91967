import BitsCore
import BitsIO
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Parity: blockwise 8-bit quantization")
struct BlockwiseParityTests {
    @Test("Codes and scales are the recorded ones, and recorded codes come back as recorded")
    func blockwise() throws {
        #expect(try ParityCases.operations("blockwise") == ["quantize_blockwise"])
        try ParityCases.compare("blockwise") { parityCase in
            try check(parityCase)
            return nil
        }
    }

    private func check(_ parityCase: ParityCase) throws {
        let blockSize = try BlockSize(parityCase.arguments.require("blocksize"))
        let nested = try parityCase.arguments.require("nested", as: Bool.self)
        let input = try parityCase.require("A")
        let codebook = try parityCase.input("code").map { try Codebook($0.floats()) } ?? .dynamic
        let ours = input.quantizedBlockwise(codebook: codebook, blockSize: blockSize, doubleQuantization: nested)
        try parityCase.expect("q", ours.codes)
        try parityCase.expectScales(ours.state.scales)

        // What the reference's own codes and scales stand for.
        let state = QuantState(
            scales: try parityCase.recordedScales(blockSize: nested ? blockSize : nil), codebook: Tensor(codebook.values, device: .tested),
            blockSize: blockSize, shape: input.shape, dtype: input.dtype, format: nil)
        try parityCase.expect("dequantized", BlockwiseTensor(codes: try parityCase.require("q"), state: state).dequantized())
    }
}
