import BitsIO
import BitsNN
import BitsQuant

/// How config.json says that a checkpoint is quantized, beside what is asked for and what the checkpoint holds.
struct StoredQuantization {
    private let configuration: BitsAndBytesConfig?
    private var quantization: Quantization? { configuration?.quantization }

    init(_ configuration: BitsAndBytesConfig?) { self.configuration = configuration }

    /// `options` with what the checkpoint says of its linear layers in place of what is asked of them.
    func applied(to options: LoadOptions) -> LoadOptions {
        guard let quantization, let configuration else { return options }
        var options = options
        let (embeddings, head) = (options.quantization.embeddings, options.quantization.head)
        options.quantization = ModelQuantization(quantization, embeddings: embeddings, head: head, skipping: configuration.skipModules)
        options.outlierThreshold = Float(configuration.outlierThreshold)
        return options
    }

    /// Where config.json, the checkpoint and what was asked for do not say the same, a line each.
    func notes(_ report: ModelReport, asked: ModelQuantization) -> [String] {
        var notes: [String] = []
        let method = configuration?.method
        if let method, asked.takesLayers {
            let rest = asked.embeddings == nil && asked.head == nil ? "" : " to its linear layers"
            notes.append("the checkpoint is quantized already (\(method)) and stays so; the quantization asked for does nothing\(rest)")
        }
        let said = method.map { "config.json says \($0)" } ?? "config.json does not say so"
        let others = report.quantized.filter { isUndeclared($0) }
        let forms = Set(others.map(\.form)).sorted().joined(separator: " or ")
        notes += ModelReport.counted(others.map(\.path), "layers are \(forms) in the checkpoint, though \(said); they are loaded as they are")
        if configuration?.offloadsInFloat32 == true {
            notes.append("llm_int8_enable_fp32_cpu_offload does nothing here: all layers are on one device")
        }
        // Weights that are kept to be trained lie in the checkpoint as they are.
        if quantization == nil { return notes }
        if case .int8(_, true)? = quantization { return notes }
        let unpacked = report.quantized.filter { !$0.wasQuantized && $0.role == .linear }.map(\.path)
        return notes
            + ModelReport.counted(unpacked, "layers are not quantized in the checkpoint, though config.json says so; they were quantized on loading")
    }

    /// Whether config.json says something else of a layer than the checkpoint. It says nothing of embeddings and heads.
    private func isUndeclared(_ layer: ModelReport.Layer) -> Bool {
        layer.wasQuantized && layer.form != quantization?.formatName && (quantization == nil || layer.role == .linear)
    }
}
