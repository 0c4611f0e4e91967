import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsSystem
import BitsTune
import Testing
import _BitsTestSupport

/// What is measured of quantization, layer by layer.
@Suite("Errors of quantization")
struct PrecisionTests {
    private static let forms: [Quantization] = [.fourBit(.nf4), .fourBit(.fp4, blockSize: .b256, doubleQuantization: false), .int8()]
    private static let ids: [Int32] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 35, 8, 9, 7, 9, 3, 2]
    private static let recorded = (try? FileSystem.names(in: "\(ParityCases.folder)/models").sorted()) ?? []

    /// The recorded model as the task that it is made for.
    private static func model(_ name: String) throws -> BackboneModel {
        let folder = try ModelFolder(path: "\(ParityCases.folder)/models/\(name)/model")
        func load<Task: RegisteredTask>(_ task: Task.Type) throws -> BackboneModel { try Task.load(folder).model }
        let task = try #require(type(of: ModelRegistry.model(ModelConfiguration(folder))) as? any RegisteredTask.Type)
        return try load(task)
    }

    @Test("Errors of weights and outputs are those of double precision, on what the layers were given")
    func independent() throws {
        let model = try Self.model("llama")
        var inputs: [String: [[Float]]] = [:]
        let observer: LayerObserver = { path, _, input, output in
            if case .rows(let x) = input, let values = try? x.floats() {
                let width = x.shape[x.rank - 1]
                inputs[path] = stride(from: 0, to: values.count, by: width).map { Array(values[$0..<$0 + width]) }
            }
            return output
        }
        let language = try #require(model as? CausalLanguageModel)
        _ = language.observing(Set(ModelPlan(model).layers.map(\.path)), by: observer) { language.logits(TokenBatch(Self.ids)) }
        let report = try model.quantizationErrors(on: [Self.ids], under: Self.forms)
        #expect(report.tokens == Self.ids.count && report.layers.count == ModelPlan(model).layers.count)
        let modules = Dictionary(model.namedModules()) { first, _ in first }
        for layer in report.layers where layer.role == .linear {
            let linear = try #require(modules[layer.path] as? Linear)
            let exact = try linear.weight.value.floats().map(Double.init)
            for found in layer.forms where found.form.formatName != "int8" {
                let packed = try linear.weight.value.quantized(as: found.form)
                let decoded = try packed.dequantized(to: .float32).floats().map(Double.init)
                #expect(found.byteCount == packed.byteCount)
                let differences = zip(decoded, exact).map { $0 - $1 }
                let squares = { (values: [Double]) in values.reduce(0) { $0 + $1 * $1 } }
                let relative = (squares(differences) / squares(exact)).squareRoot()
                #expect(abs(found.weights - relative) < 1e-5 * relative, "\(layer.path)")
                #expect(abs(found.largest - (differences.map(abs).max() ?? 0)) < 1e-6, "\(layer.path)")
                #expect(abs(found.signalToNoise + 20 * log10(relative)) < 1e-3)
                let (rows, width) = (try #require(inputs[layer.path]), layer.shape[1])
                var (error, whole) = (0.0, 0.0)
                for x in rows {
                    for row in 0..<layer.shape[0] {
                        let y = (0..<width).reduce(0.0) { $0 + Double(x[$1]) * exact[row * width + $1] }
                        let z = (0..<width).reduce(0.0) { $0 + Double(x[$1]) * decoded[row * width + $1] }
                        error += (z - y) * (z - y)
                        whole += y * y
                    }
                }
                let outputs = (error / whole).squareRoot()
                #expect(abs(try #require(found.outputs) - outputs) < 1e-4 * outputs, "\(layer.path): \(outputs)")
            }
            let int8 = try #require(layer.errors(under: .int8())?.outputs)
            #expect(int8 > 1e-4 && int8 < 0.05, "\(layer.path)")
        }
    }

    @Test("What the loss feels of the head is what its scores say: probabilities less the truth")
    func influence() throws {
        let model = try #require(try Self.model("llama") as? CausalLanguageModel)
        let report = try model.quantizationErrors(on: [Self.ids], under: [.fourBit(.nf4)])
        let head = try #require(report.layers.first { $0.role == .head })
        let (width, values) = (model.vocabularySize, try model.logits(TokenBatch(Self.ids)).floats())
        var sum = 0.0
        for (token, next) in Self.ids.dropFirst().enumerated() {
            let scores = values[token * width..<(token + 1) * width].map(Double.init)
            let total = scores.reduce(0) { $0 + exp($1) }
            let gradient = scores.enumerated().map { exp($1) / total - ($0 == Int(next) ? 1 : 0) }
            sum += gradient.reduce(0) { $0 + $1 * $1 } * scores.reduce(0) { $0 + $1 * $1 }
        }
        let expected = sum / (2 * Double(width) * Double(Self.ids.count))
        #expect(report.countsLoss && abs(head.influence - expected) < 1e-3 * expected, "\(head.influence), \(expected)")
    }

    @Test("Every family is measured, experts by the tokens they see, and is what it was afterwards", arguments: recorded)
    func families(name: String) throws {
        let model = try Self.model(name)
        let before = model.namedModules().map { "\($0.path) \(type(of: $0.module))" }
        let hidden = try noGradient { model.hiddenStates(TokenBatch(Self.ids)) }.floats()
        let report = try model.quantizationErrors(on: [Self.ids, Self.ids.reversed()], under: [.fourBit(.nf4), .int8()])
        #expect(report.layers.map(\.path) == ModelPlan(model).layers.map(\.path))
        for layer in report.layers {
            for form in layer.forms {
                #expect(form.weights > 0 && form.weights < 0.3 && layer.cost(of: form) >= 0, "\(layer.path)")
                #expect(form.outputs.map { $0 > 0 } ?? true, "\(layer.path)")
            }
        }
        // A head's task does without BERT's pooler, and tables of relative positions are not looked up.
        let unasked = report.layers.filter { $0.forms[0].outputs == nil && !$0.path.contains("experts") }.map(\.path)
        #expect(unasked.count <= 1 && unasked.allSatisfy { $0.contains("pooler") || $0.contains("rel_embeddings") }, "\(unasked)")
        #expect(model.namedModules().map { "\($0.path) \(type(of: $0.module))" } == before)
        #expect(try noGradient { model.hiddenStates(TokenBatch(Self.ids)) }.floats() == hidden)
    }

    @Test("A plan keeps to its budget, and what it says of bytes and errors is what the model then has", arguments: [4.4, 5, 6, 9, 40])
    func plan(bits: Double) throws {
        let model = try Self.model("llama")
        let report = try model.quantizationErrors(on: [Self.ids], under: Quantization.forms(blockSizes: [.b32, .b64, .b256]))
        let (others, all) = (model.byteCount - report.byteCount, report.layers.filter(\.isTakenByDefault).reduce(0) { $0 + $1.count })
        let kept = report.layers.filter { !$0.isTakenByDefault }.reduce(0) { $0 + $1.byteCount }
        let budget = kept + Int(Double(all) * bits / 8)
        let planned = try report.plan(within: budget, modelType: "llama")
        #expect(planned.byteCount <= budget && planned.cost >= planned.leastCost - 1e-12)
        #expect((bits == 40) == planned.plan.layers.allSatisfy { $0.form == nil })
        #expect(bits != 40 || planned.cost == 0)
        let exact = Dictionary(model.namedModules()) { first, _ in first }.compactMapValues { ($0 as? Linear)?.weight.value }
        try model.quantize(planned.plan.quantization())
        #expect(model.byteCount == planned.byteCount + others)
        for (path, module) in model.namedModules() {
            guard let form = module.quantization, let layer = module as? any LinearLayer, let weight = exact[path] else { continue }
            let squares = try (layer.weightMatrix(.float32) - weight).sumOfSquares().item() / weight.sumOfSquares().item()
            let told = try #require(
                report.layers.first { $0.path == path }?.forms.first { $0.form.name == form.name && $0.form.blockSize == form.blockSize })
            #expect(abs(Double(squares.squareRoot()) - told.weights) < 1e-5, "\(path)")
        }
    }

    @Test("A budget below the smallest forms is refused with what they take")
    func smallBudget() throws {
        let report = try Self.model("llama").quantizationErrors(on: [Self.ids], under: Self.forms)
        let error = #expect(throws: QuantizationErrors.PlanError.self) { try report.plan(within: 1000, modelType: "llama") }
        #expect("\(try #require(error))".contains("a budget of 1000 bytes; the smallest forms take "))
    }

    @Test("What a model cannot take is refused")
    func refused() throws {
        let model = try Self.model("llama")
        #expect(throws: EvaluationError.noWindows) { try model.quantizationErrors(on: [], under: Self.forms) }
        #expect(throws: EvaluationError.unknownToken(-1, vocabulary: model.vocabularySize)) {
            try model.quantizationErrors(on: [[1, -1]], under: Self.forms)
        }
        let long = [Int32](repeating: 1, count: model.contextLength + 1)
        #expect(throws: EvaluationError.lengthOutOfRange(long.count, context: model.contextLength, example: 0)) {
            try model.quantizationErrors(on: [long], under: Self.forms)
        }
        for (_, parameter) in model.namedParameters().suffix(1) { parameter.value = parameter.value * Float.nan }
        #expect(throws: EvaluationError.notANumber(windows: 0..<1)) { try model.quantizationErrors(on: [Self.ids], under: Self.forms) }
    }
}
