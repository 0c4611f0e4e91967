import BitsCore
import BitsIO
import BitsKernels
import BitsSystem
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Parity: 4-bit checkpoints")
struct CheckpointParityTests {
    @Test("A 4-bit weight of a recorded checkpoint reads, and is written again byte for byte")
    func roundTrip() throws {
        try compare("written again") { name, checkpoint in
            for path in weights(of: checkpoint) {
                let weight = try FourBitTensor { try checkpoint.tensor(path + $0) }
                for (suffix, tensor) in try weight.entries() {
                    let recorded = try #require(try checkpoint.tensor(path + suffix), "\(name) has no \(path)\(suffix)")
                    let same = try tensor.shape == recorded.shape && tensor.dtype == recorded.dtype && tensor.bytes() == recorded.bytes()
                    #expect(same, "\(name): \(path)\(suffix)")
                }
            }
        }
    }

    @Test("Quantizing the model that a recorded checkpoint was made of gives the checkpoint")
    func quantization() throws {
        try compare("quantized anew") { name, checkpoint in
            let source = try OriginalWeights(name)
            for path in weights(of: checkpoint) {
                let recorded = try FourBitTensor { try checkpoint.tensor(path + $0) }
                let original = try source.tensor(path)
                let ours = try original.cast(to: recorded.state.dtype).quantized(
                    to: recorded.format, blockSize: recorded.state.blockSize, doubleQuantization: recorded.state.isDoublyQuantized)
                #expect(try ours.packed.bytes() == recorded.packed.bytes(), "\(name): \(path)")
                guard case .doublyQuantized(let a) = ours.state.scales, case .doublyQuantized(let b) = recorded.state.scales else { continue }
                // The reference sums in another order, and takes approximate reciprocals.
                var close = ParityTolerance()
                close.relative = 1e-6
                #expect(try close.difference(a.offset, b.offset) == nil, "\(name): offset of \(path)")
                #expect(try close.difference(a.absmax, b.absmax) == nil, "\(name): scales of \(path)")
                var few = ParityTolerance()
                few.mismatchCount = max(1, a.codes.count / 10_000)
                #expect(try few.difference(a.codes, b.codes) == nil, "\(name): codes of the scales of \(path)")
            }
        }
    }

    /// Hands the recorded nf4 checkpoints to `compare`, by the name of their model.
    private func compare(_ what: String, _ compare: (_ name: String, _ checkpoint: Checkpoint) throws -> Void) throws {
        let folder = "\(ParityCases.folder)/models"
        try ParityTally.compare("nf4 checkpoints, \(what)", try FileSystem.names(in: folder)) { name in
            let path = "\(folder)/\(name)/cuda/model-nf4"
            guard FileSystem.kind(of: path) == .folder else { return "none was recorded" }
            let checkpoint = try Checkpoint(ModelFolder(path: path))
            guard !weights(of: checkpoint).isEmpty else { return "it has no such layer" }
            try compare(name, checkpoint)
            return nil
        }
    }

    /// The names of the quantized weights.
    private func weights(of checkpoint: Checkpoint) -> [String] {
        let suffix = ".quant_state.bitsandbytes__nf4"
        return checkpoint.names.filter { $0.hasSuffix(suffix) }.map { String($0.dropLast(suffix.count)) }
    }
}
