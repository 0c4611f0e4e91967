import BitsCheckpoints
import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsSystem
import Testing
import _BitsTestSupport

@Suite("Stacked experts")
struct StackedExpertsTests {
    private static let families = TinyFamily.all.filter { ["mixtral", "qwen3_moe"].contains($0.modelType) }
    private static let ids: [Int32] = [3, 1, 4, 1, 5]

    /// The weights as transformers keeps them in memory: the experts of a block in two tensors.
    private func stacked(_ family: TinyFamily) throws -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        var stacks: [String: [Int: Tensor]] = [:]
        let (first, second, last) = family.modelType == "mixtral" ? ("w1", "w3", "w2") : ("gate_proj", "up_proj", "down_proj")
        for (name, tensor) in try family.tensors() {
            let parts = name.replacing("block_sparse_moe", with: "mlp").split(separator: ".").map(String.init)
            guard let place = parts.firstIndex(of: "experts"), let expert = Int(parts[place + 1]) else {
                result[parts.joined(separator: ".")] = tensor
                continue
            }
            let path = parts[...place].joined(separator: ".")
            switch parts[place + 2] {
            case first: stacks["\(path).gate_up_proj", default: [:]][2 * expert] = tensor
            case second: stacks["\(path).gate_up_proj", default: [:]][2 * expert + 1] = tensor
            case last: stacks["\(path).down_proj", default: [:]][expert] = tensor
            default: Issue.record("\(name)")
            }
        }
        for (name, matrices) in stacks {
            let parts = name.hasSuffix("down_proj") ? matrices.count : matrices.count / 2
            let rows = Tensor.concatenated(matrices.sorted { $0.key < $1.key }.map(\.value))
            result[name] = rows.reshaped(parts, rows.shape[0] / parts, rows.shape[1])
        }
        return result
    }

    @Test("A checkpoint with stacked experts is the model that it is with one matrix an expert, quantized or not", arguments: families)
    func layouts(family: TinyFamily) throws {
        let single = try family.folder()
        let folder = try TinyFolder(configuration: family.configuration, tensors: try stacked(family))
        for options in [LoadOptions(), LoadOptions(quantization: .fourBit(.nf4)), LoadOptions(quantization: .int8())] {
            let (ours, expected) = (try folder.load(options), try single.load(options))
            #expect(ours.report.unused == [] && ours.report.quantized == expected.report.quantized)
            #expect(ours.report.coverage == expected.report.coverage)
            #expect(try ours.model.logits(TokenBatch(Self.ids)).bytes() == expected.model.logits(TokenBatch(Self.ids)).bytes())
        }
        let scratch = try TemporaryFolder()
        for (name, source) in [("stacked", folder), ("single", single)] {
            let quantizer = try CheckpointQuantizer(ModelFolder(path: source.path), to: ModelQuantization(.fourBit(.nf4)))
            #expect(quantizer.coverage.left.allSatisfy { $0.hasSuffix(".gate") } && quantizer.coverage.share > 0.9)
            _ = try quantizer.write(to: "\(scratch.path)/\(name)")
        }
        let files = try ["stacked", "single"].map { try MappedFile(path: "\(scratch.path)/\($0)/model.safetensors") }
        #expect(files[0].bytes(in: 0..<files[0].byteCount).elementsEqual(files[1].bytes(in: 0..<files[1].byteCount)))
    }

    @Test("Where experts are missing, too many or of another size, the layers are named", arguments: families)
    func misfits(family: TinyFamily) throws {
        let tensors = try stacked(family)
        let name = try #require(tensors.keys.filter { $0.hasSuffix("experts.gate_up_proj") }.min())
        let whole = try #require(tensors[name])
        func folder(_ tensor: Tensor) throws -> TinyFolder {
            try TinyFolder(configuration: family.configuration, tensors: tensors.merging([name: tensor]) { $1 })
        }
        let fewer = try #require(try folder(whole.narrowed(axis: 0, to: 0..<2).contiguous()).problem())
        #expect(fewer.contains("experts.2.") && !fewer.contains("experts.1."))
        let more = try folder(Tensor.concatenated([whole, whole.narrowed(axis: 0, to: 0..<1)])).load()
        #expect(more.report.unused.count == 2 && more.report.unused.allSatisfy { $0.contains("experts.3.") })
        let narrow = try #require(try folder(whole.narrowed(axis: 2, to: 0..<8).contiguous()).problem())
        #expect(narrow.contains("experts.0.") && narrow.contains(", 8]"))
        // What cannot be cut is an entry like any other.
        let flat = try #require(try folder(whole.reshaped(whole.count)).problem())
        #expect(flat.contains("experts.0."))
    }

    @Test("Coverage counts weights of linear layers, and names those that are left")
    func coverage() throws {
        let family = try #require(Self.families.first)
        let plan = ModelPlan(try family.model())
        let all = QuantizationCoverage(plan, of: ModelQuantization(.fourBit(.nf4)))
        // Two blocks: attention of 32 wide heads, two of them for keys; three experts of 48; a router of 3.
        let (attention, experts, router) = (2 * 32 * 32 + 2 * 32 * 16, 3 * 3 * 32 * 48, 3 * 32)
        #expect(all.quantized == 2 * (attention + experts) && all.all == 2 * (attention + experts + router))
        #expect(all.left == (0..<2).map { "model.layers.\($0).block_sparse_moe.gate" })
        let some = QuantizationCoverage(plan, of: ModelQuantization(.fourBit(.nf4), skipping: [".*experts"]))
        #expect(some.quantized == 2 * (attention + router) && some.left.count == 18)
        #expect(QuantizationCoverage(plan, of: ModelQuantization(nil)).share == 0)
    }
}
