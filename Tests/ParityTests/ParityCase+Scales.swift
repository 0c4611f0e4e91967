import BitsCore
import BitsQuant
import Testing
import _BitsTestSupport

extension ParityCase {
    /// Expects `actual` to agree with what the reference has under `name`.
    func expect(_ name: String, _ actual: Tensor) throws {
        let difference = try tolerance(name).difference(actual, try require(name))
        #expect(difference == nil, "\(id): \(name) \(difference ?? "")")
    }

    /// Expects `scales` to agree with the reference's.
    func expectScales(_ scales: BlockScales) throws {
        switch scales {
        case .plain(let absmax):
            try expect("absmax", absmax)
        case .doublyQuantized(let scales):
            try expect("absmax", scales.codes)
            try expect("offset", scales.offset)
            try expect("nested_absmax", scales.absmax)
        }
    }

    /// The reference's scales.
    ///
    /// - Parameter blockSize: of the scales' own blocks where they are quantized too.
    func recordedScales(blockSize: BlockSize?) throws -> BlockScales {
        guard let blockSize else { return .plain(try require("absmax")) }
        return .doublyQuantized(
            DoublyQuantizedScales(
                codes: try require("absmax"), offset: try require("offset"), absmax: try require("nested_absmax"),
                codebook: Tensor(Codebook.dynamic.values, device: .tested), blockSize: blockSize))
    }
}
