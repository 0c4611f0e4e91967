import BitsCore
import BitsIO
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Parity: blockwise 8-bit quantization")
struct BlockwiseParityTests {
    @Test("Codes and scales are the recorded ones, and recorded codes come back as recorded")
    func blockwise() throws {
        for parityCase in try ParityCases.load("blockwise") {
            try check(parityCase)
        }
    }

    private func check(_ parityCase: ParityCase) throws {
        guard parityCase.operation == "quantize_blockwise" else {
            Issue.record("\(parityCase.id): unknown operation \(parityCase.operation)")
            return
        }
        let blockSize = try BlockSize(parityCase.arguments.require("blocksize"))
        let nested = try parityCase.arguments.require("nested", as: Bool.self)
        let input = try parityCase.require("A")
        let codebook = try parityCase.input("code").map { try Codebook($0.floats()) } ?? .dynamic
        let ours = input.quantizedBlockwise(codebook: codebook, blockSize: blockSize, doubleQuantization: nested)

        func compare(_ name: String, _ actual: Tensor) throws {
            let difference = try parityCase.tolerance(name).difference(actual, try parityCase.require(name))
            #expect(difference == nil, "\(parityCase.id): \(name) \(difference ?? "")")
        }
        try compare("q", ours.codes)
        switch ours.state.scales {
        case .plain(let absmax):
            try compare("absmax", absmax)
        case .doublyQuantized(let scales):
            try compare("absmax", scales.codes)
            try compare("offset", scales.offset)
            try compare("nested_absmax", scales.absmax)
        }

        // What the reference's own codes and scales stand for.
        let state = QuantState(
            scales: try parityCase.recordedScales(blockSize: nested ? blockSize : nil), codebook: Tensor(codebook.values), blockSize: blockSize,
            shape: input.shape, dtype: input.dtype, format: nil)
        try compare("dequantized", BlockwiseTensor(codes: try parityCase.require("q"), state: state).dequantized())
    }
}

extension ParityCase {
    /// The reference's scales.
    ///
    /// - Parameter blockSize: of the scales' own blocks where they are quantized too.
    func recordedScales(blockSize: BlockSize?) throws -> BlockScales {
        guard let blockSize else { return .plain(try require("absmax")) }
        return .doublyQuantized(
            DoublyQuantizedScales(
                codes: try require("absmax"), offset: try require("offset"), absmax: try require("nested_absmax"),
                codebook: Tensor(Codebook.dynamic.values), blockSize: blockSize))
    }
}
