import BitsCore
import BitsIO
import BitsKernels
import BitsSystem
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Parity: 8-bit checkpoints")
struct Int8CheckpointParityTests {
    @Test("An 8-bit weight of a recorded checkpoint reads, and is written again byte for byte")
    func roundTrip() throws {
        try compare("written again") { name, checkpoint in
            for path in checkpoint.quantizedPaths {
                let weight = try #require(try checkpoint.quantizedWeight(path), "\(name): \(path)")
                let entries = try weight.entries(named: "weight")
                #expect(entries.map { "\(path).\($0.name)" } == checkpoint.weightEntries(path).map(\.name), "\(name): \(path)")
                for (part, tensor) in entries {
                    let recorded = try #require(try checkpoint.tensor("\(path).\(part)"), "\(name) has no \(path).\(part)")
                    let same = try tensor.shape == recorded.shape && tensor.dtype == recorded.dtype && tensor.bytes() == recorded.bytes()
                    #expect(same, "\(name): \(path).\(part)")
                }
            }
        }
    }

    @Test("Quantizing the model that a recorded checkpoint was made of gives its scales, and its codes but for one in 10,000 that is one apart")
    func quantization() throws {
        try compare("quantized anew") { name, checkpoint in
            let source = try OriginalWeights(name)
            var (count, differing) = (0, 0)
            for path in checkpoint.quantizedPaths {
                let recorded = try #require(try checkpoint.tensor("\(path).weight")).integers()
                let original = try source.tensor("\(path).weight")
                let ours = Int8Tensor(weight: original)
                #expect(try ours.scales.bytes() == checkpoint.tensor("\(path).SCB")?.bytes(), "\(name): scales of \(path)")
                for (a, b) in zip(try ours.codes.integers(), recorded) where a != b {
                    differing += 1
                    #expect(abs(a - b) == 1, "\(name): \(path)")
                }
                count += recorded.count
            }
            #expect(differing <= (count + 9_999) / 10_000, "\(name): \(differing) of \(count) codes differ")
        }
    }

    /// Hands the recorded int8 checkpoints to `compare`, by the name of their model.
    private func compare(_ what: String, _ compare: (_ name: String, _ checkpoint: Checkpoint) throws -> Void) throws {
        let folder = "\(ParityCases.folder)/models"
        try ParityTally.compare("int8 checkpoints, \(what)", try FileSystem.names(in: folder)) { name in
            let path = "\(folder)/\(name)/cuda/model-int8"
            guard FileSystem.kind(of: path) == .folder else { return "none was recorded" }
            let checkpoint = try Checkpoint(ModelFolder(path: path))
            guard !checkpoint.quantizedPaths.isEmpty else { return "it has no such layer" }
            try compare(name, checkpoint)
            return nil
        }
    }
}
