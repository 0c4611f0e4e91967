import BitsCore
import BitsIO
import BitsKernels
import BitsSystem
import BitsModels
import _BitsTestSupport

/// A recorded model: its folders, what went in, and what the reference computed.
struct ModelCase {
    let name: String
    let modelType: String
    private let path: String
    private let answers: SafetensorsFile
    /// [2, T]; the second row is padded.
    let rows: [[Int32]]
    let mask: [[Bool]]

    private init(name: String, path: String, modelType: String) throws {
        self.name = name
        self.path = path
        self.modelType = modelType
        answers = try SafetensorsFile(path: "\(path)/reference.safetensors")
        func numbers(_ key: String, _ answers: SafetensorsFile) throws -> [[Int32]] {
            guard let entry = answers[key] else { throw ModelFileError.malformed(path: path, "has no '\(key)'") }
            let tensor = try answers.tensor(entry)
            let (values, length) = (try tensor.integers().map { Int32($0) }, tensor.shape[1])
            return (0..<tensor.shape[0]).map { Array(values[$0 * length..<($0 + 1) * length]) }
        }
        rows = try numbers("input_ids", answers)
        mask = try numbers("attention_mask", answers).map { $0.map { $0 != 0 } }
    }

    var tokens: TokenBatch { TokenBatch(rows, mask: mask, device: .tested) }

    /// What `answer` [2, T, ..] says of real tokens, one after the other.
    func real(_ answer: Tensor) -> Tensor {
        let places = mask.flatMap { $0 }.enumerated().filter(\.element).map { Int32($0.offset) }
        return answer.reshaped(rows.count * rows[0].count, -1).rows(Tensor(places, device: answer.device))
    }

    /// Whether the model has experts, which the reference does not quantize.
    var hasExperts: Bool { get throws { try ModelConfiguration(folder("model")).fields.contains("num_experts_per_tok") } }

    /// Whether padding sees something else here than there.
    var seesPaddingOtherwise: Bool {
        get throws { try modelType == "opt" || ModelConfiguration(folder("model")).fields.contains("sliding_window") }
    }

    /// Whether the model drops activations while it is trained.
    var drops: Bool {
        get throws {
            let fields = try ModelConfiguration(folder("model")).fields
            return try ["attn_pdrop", "embd_pdrop", "resid_pdrop", "attention_dropout", "hidden_dropout", "dropout"].contains {
                try fields.value($0, default: 0.0) > 0
            }
        }
    }

    func folder(_ name: String) throws -> ModelFolder { try ModelFolder(path: "\(path)/\(name)") }

    /// The model as the reference quantized it, on a GPU where one has done so, else on a processor; nil where neither is recorded.
    func quantizedFolder(_ form: String) throws -> ModelFolder? {
        let places = ["cuda/model-\(form)", "model-\(form)"]
        return try places.first { FileSystem.kind(of: "\(path)/\($0)") == .folder }.map(folder)
    }

    /// The answer `key`; nil where the reference gave none.
    func answer(_ key: String) throws -> Tensor? { try answers[key].map { try answers.tensor($0) } }

    /// The answer `key` as the reference computed it on a GPU; nil where it gave none.
    func gpuAnswer(_ key: String) throws -> Tensor? {
        guard FileSystem.kind(of: "\(path)/cuda/reference.safetensors") == .file else { return nil }
        let file = try SafetensorsFile(path: "\(path)/cuda/reference.safetensors")
        return try file[key].map { try file.tensor($0) }
    }

    /// The names of the answers.
    var answerNames: [String] { answers.entries.map(\.name) }

    /// Hands the recorded models whose family can be loaded, and that answered with `kind`, to `compare`; see ``ParityTally``.
    ///
    /// - Parameter kind: `logits` of decoders, `hidden` of encoders.
    static func compare(_ name: String, kind: String = "logits", _ compare: (ModelCase) throws -> String?) throws {
        try ParityTally.compare("models, \(name)", try recorded()) { model in
            guard ModelRegistry.families.contains(model.modelType) else { return "the family \(model.modelType) is not there" }
            let example = try ModelCase(name: model.name, path: model.path, modelType: model.modelType)
            return example.answerNames.contains(kind) ? try compare(example) : "it answered with no \(kind)"
        }
    }

    /// The same with the answer `key` as the reference computed it on a GPU; models without it are left out.
    static func compareGPU(_ name: String, kind: String = "logits", _ key: String, _ compare: (ModelCase, Tensor) throws -> Void) throws {
        try self.compare("\(name), \(key)", kind: kind) { example in
            guard let answer = try example.gpuAnswer(key) else { return "no answer of a GPU" }
            try compare(example, answer)
            return nil
        }
    }

    /// The families of the recorded models.
    static func families() throws -> Set<String> { Set(try recorded().map(\.modelType)) }

    private static func recorded() throws -> [(name: String, path: String, modelType: String)] {
        let models = "\(ParityCases.folder)/models"
        return try FileSystem.names(in: models).filter { FileSystem.kind(of: "\(models)/\($0)/reference.safetensors") == .file }.map {
            ($0, "\(models)/\($0)", try ModelConfiguration(ModelFolder(path: "\(models)/\($0)/model")).modelType)
        }
    }
}
