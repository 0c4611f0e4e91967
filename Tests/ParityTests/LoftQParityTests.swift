import BitsCore
import BitsIO
import BitsNN
import BitsQuant
import BitsSystem
import Testing
import _BitsTestSupport

@testable import BitsTune

/// What PEFT's LoftQ makes of a weight, round by round.
@Suite("Parity: LoftQ")
struct LoftQParityTests {
    private static let folder = "\(ParityCases.folder)/loftq"

    /// The recorded weight, as what a quantized layer was made of.
    private struct Recorded: WeightSource {
        let weight: Tensor
        var names: [String]? { nil }
        func entry(_ name: String) -> WeightEntry? { WeightEntry(weight) }
        func tensor(_ name: String, on device: Device) -> Tensor? { weight }
        func release(_ name: String) {}
    }

    @Test(
        "Base and update are the recorded ones, but for codes that a last bit decides",
        .enabled(if: FileSystem.kind(of: folder) == .folder, "these cases have none of LoftQ"))
    func rounds() throws {
        let notes = try ConfigurationFields(ModelFolder(path: Self.folder).file("reference.json"))
        let answers = try SafetensorsFile(path: "\(Self.folder)/reference.safetensors")
        func answer(_ name: String) throws -> Tensor { try answers.tensor(#require(answers[name], "\(name)")) }
        let (weight, rank) = (try answer("weight"), try notes.require("rank", as: Int.self))
        try ParityTally.compare("LoftQ", notes.require("rounds", as: [Int].self)) { rounds in
            // PEFT takes no account of the scale, which is 1 here.
            var configuration = LoRAConfiguration(rank: rank, alpha: Float(rank))
            configuration.start = .loftQ(rounds: rounds)
            let maker = LoRALayerMaker(
                configuration: configuration, dtype: .float32, device: .cpu,
                original: BitsTune.OriginalWeights(source: Recorded(weight: weight), names: CheckpointNames(), device: .cpu))
            let plan = AdapterPlan.Layer(
                path: "layer", isEmbedding: false, inFeatures: weight.shape[1], outFeatures: weight.shape[0], rank: rank, scale: 1, parameterCount: 0)
            let base = try Linear4bit(
                Linear(weight: Parameter(weight, isTrainable: false)), format: .nf4, doubleQuantization: false)
            var generator = RandomGenerator(seed: 0)
            let layer = try #require(try maker.layer(plan, around: base, using: &generator) as? LoRALinear)
            let (found, recorded) = (try layer.base.weightMatrix(.float32).floats(), try answer("base.\(rounds)").floats())
            let apart = zip(found, recorded).count { abs($0 - $1) > 1e-6 }
            #expect(apart <= (rounds - 1) * found.count / 1000, "\(rounds) rounds: \(apart) of \(found.count)")
            #expect(try distance(layer.factors.product, answer("update.\(rounds)")) < (apart == 0 ? 1e-4 : 2e-2), "\(rounds) rounds")
            return nil
        }
    }
}
