import BitsCheckpoints
import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsSystem
import Testing
import _BitsTestSupport

/// What holds for every family of decoders, on models small enough for a test.
@Suite("Families of decoders")
struct FamilyTests {
    private static let ids: [Int32] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 35]

    @Test("Every family that is built in is among these")
    func complete() {
        let known = Set(TinyFamily.all.map(\.modelType))
        #expect(known.isSubset(of: ModelRegistry.families))
        #expect(known == TinyFamily.decoders)
    }

    @Test("With a cache, in any pieces, logits are those of the whole sequence", arguments: TinyFamily.all)
    func cache(family: TinyFamily) throws {
        let model = try family.model()
        let whole = model.logits(TokenBatch(Self.ids))
        for pieces in [[1, 1, 1, 1, 1, 1, 1, 1, 1, 1], [4, 1, 5], [9, 1]] {
            let cache = model.makeCache(capacity: 10)
            let parts = pieces.map { piece in
                let tokens = TokenBatch(Array(Self.ids[cache.length..<cache.length + piece]), continuing: cache)
                return noGradient { model.logits(tokens, cache: cache) }
            }
            #expect(try distance(Tensor.concatenated(parts, axis: 1), whole) < 1e-5, "\(pieces)")
        }
    }

    @Test("Neither padding, nor what else lies in the row, nor later tokens change anything", arguments: TinyFamily.all)
    func batches(family: TinyFamily) throws {
        let model = try family.model()
        let alone = model.logits(TokenBatch(Self.ids))
        let mask = [(0..<13).map { $0 < 10 }, (0..<13).map { $0 >= 3 }]
        let rows = model.logits(TokenBatch([Self.ids + [0, 0, 0], [8, 8, 8] + Self.ids], mask: mask))
        #expect(try distance(rows.narrowed(axis: 0, to: 0..<1).narrowed(axis: 1, to: 0..<10), alone) < 1e-5)
        #expect(try distance(rows.narrowed(axis: 0, to: 1..<2).narrowed(axis: 1, to: 3..<13), alone) < 1e-5)
        let packed = model.logits(TokenBatch(packing: [[7, 8], Self.ids, [7]]))
        #expect(try distance(packed.narrowed(axis: 1, to: 2..<12), alone) < 1e-5)
        let changed = model.logits(TokenBatch(Self.ids.dropLast() + [7]))
        #expect(try distance(changed.narrowed(axis: 1, to: 0..<9), alone.narrowed(axis: 1, to: 0..<9)) < 1e-6)
        #expect(try distance(model.logits(TokenBatch([7] + Self.ids.dropFirst())), alone) > 1e-3)
    }

    @Test("Every weight counts, and its gradient is the slope of the loss", arguments: TinyFamily.all)
    func gradients(family: TinyFamily) throws {
        let model = try family.model()
        model.setTrainable(true)
        let loss = { try model.loss([Self.ids]).sum.item() }
        model.loss([Self.ids]).sum.backward()
        var generator = RandomGenerator(seed: 9)
        for (path, parameter) in model.namedParameters() {
            let gradient = try #require(parameter.gradient, "\(path)")
            let (value, step) = (parameter.value, Float(1e-3))
            let direction = Tensor.normal(parameter.shape, using: &generator)
            let slope = try (gradient * direction).sum().item()
            parameter.value = value + direction * step
            let above = try loss()
            parameter.value = value - direction * step
            let below = try loss()
            parameter.value = value
            let scale = try gradient.sumOfSquares().item().squareRoot()
            #expect(abs((above - below) / (2 * step) - slope) < 0.02 * scale + 0.02, "\(path)")
            // What softmax takes no notice of has no slope: a bias that all keys share.
            let isKeyBias = path.hasSuffix("k_proj.bias")
            #expect(isKeyBias || scale > 1e-4, "\(path)")
        }
    }

    @Test("Blocks that are computed again give the same gradients", arguments: TinyFamily.all)
    func recomputation(family: TinyFamily) throws {
        let gradients = try [false, true].map { recomputes in
            let model = try family.model()
            model.setTrainable(true)
            model.recomputesBlocks = recomputes
            model.loss([Self.ids]).sum.backward()
            return try model.namedParameters().map { try $0.parameter.gradient?.floats() }
        }
        #expect(gradients[0] == gradients[1])
    }

    static let quantizations: [Quantization] = [
        .fourBit(.nf4), .fourBit(.fp4, blockSize: .b128, doubleQuantization: false, storage: .bfloat16), .int8(),
    ]

    @Test("A checkpoint is quantized alike from file to file and on loading, and dequantized to what it was made of", arguments: TinyFamily.all)
    func checkpoints(family: TinyFamily) throws {
        let (folder, scratch) = (try family.folder(), try TemporaryFolder())
        let loaded = try folder.load()
        #expect(loaded.report.warnings == [] && loaded.model.outputHeads.count == 1)
        try loaded.save(to: "\(scratch.path)/plain")
        #expect(try same("\(scratch.path)/plain", folder.path), "the files as they were")
        for (index, quantization) in Self.quantizations.enumerated() {
            let path = "\(scratch.path)/\(index)"
            let ours = try folder.load(LoadOptions(quantization: quantization))
            #expect(ours.report.quantized.count == family.linearLayers, "\(quantization)")
            try ours.save(to: path)
            _ = try CheckpointQuantizer(ModelFolder(path: folder.path), to: ModelQuantization(quantization)).write(to: "\(path)-files")
            #expect(try same(path, "\(path)-files"), "\(quantization)")
            let again = try LoadedModel(ModelFolder(path: path))
            #expect(again.report.warnings == [] && again.report.quantized.count == family.linearLayers)
            let tokens = TokenBatch(Self.ids)
            #expect(try again.model.logits(tokens).bytes() == ours.model.logits(tokens).bytes(), "\(quantization)")
            _ = try CheckpointDequantizer(ModelFolder(path: path)).write(to: "\(path)-back")
            let back = try LoadedModel(ModelFolder(path: "\(path)-back"))
            for ((path, before), (_, after)) in zip(loaded.model.namedParameters(), back.model.namedParameters()) {
                #expect(try distance(after.value, before.value) < 0.3, "\(path)")
            }
            let summary = try CheckpointSummary(ModelFolder(path: path))
            #expect(
                summary.layers.count == family.linearLayers && summary.keptLayers?.count == (family.keptLayers ?? (family.tiesEmbeddings ? 0 : 1)))
        }
    }

    @Test("A checkpoint of the backbone alone has no prefix, and that of a tied head may be there", arguments: TinyFamily.all)
    func names(family: TinyFamily) throws {
        let model = try family.model()
        var tensors = try family.tensors()
        let prefix = try family.backbonePrefix()
        tensors = Dictionary(
            uniqueKeysWithValues: tensors.map { ($0.key.hasPrefix(prefix) ? String($0.key.dropFirst(prefix.count)) : $0.key, $0.value) })
        if family.tiesEmbeddings { tensors["lm_head.weight"] = model.backbone.embedding.table() }
        for (name, tensor) in family.unused { tensors[name] = tensor }
        let loaded = try TinyFolder(configuration: family.configuration, tensors: tensors).load()
        #expect(loaded.report.warnings == [])
        #expect(try loaded.model.logits(TokenBatch(Self.ids)).bytes() == model.logits(TokenBatch(Self.ids)).bytes())
    }

    @Test("What a checkpoint lacks, has in another shape or has too much is named by the family's names, all at once", arguments: TinyFamily.all)
    func misfits(family: TinyFamily) throws {
        var tensors = try family.tensors()
        let names = tensors.keys.filter { $0.hasSuffix("weight") }.sorted()
        let (missing, misshapen) = (Array(names.prefix(2)), Array(names.suffix(2)))
        for name in missing { tensors[name] = nil }
        for name in misshapen { tensors[name] = .ones([3, 5]) }
        let folder = try TinyFolder(configuration: family.configuration, tensors: tensors)
        let problem = try #require(folder.problem())
        for name in missing + misshapen { #expect(problem.contains("'\(name)'"), "\(problem)") }
        #expect(problem.contains("[3, 5]"))
        #expect(throws: ModelFileError.self) { try CheckpointQuantizer(ModelFolder(path: folder.path), to: ModelQuantization(.fourBit(.nf4))) }

        tensors = try family.tensors()
        tensors["surplus.weight"] = .ones([1])
        let loaded = try TinyFolder(configuration: family.configuration, tensors: tensors).load()
        #expect(loaded.report.unused == ["surplus.weight"])
    }

    @Test("Random weights fill it, quantized on the way", arguments: TinyFamily.all)
    func randomWeights(family: TinyFamily) throws {
        let model = try family.model()
        let report = try model.load(
            from: RandomWeights(for: model, using: RandomGenerator(seed: 1)), options: LoadOptions(quantization: .fourBit(.nf4)))
        #expect(report.quantized.count == family.linearLayers && report.unused == [])
        #expect(try model.logits(TokenBatch(Self.ids)).floats().allSatisfy(\.isFinite))
    }

    @Test("It generates, several sequences at once as each alone", arguments: TinyFamily.all)
    func generation(family: TinyFamily) throws {
        let model = try family.model()
        let options = GenerationOptions(maxNewTokens: 6)
        let prompts = [Self.ids, [7, 8]]
        let together = try model.generate(prompts, options: options)
        for (prompt, result) in zip(prompts, together) {
            #expect(try model.generate(prompt, options: options).tokens == result.tokens && result.tokens.count == 6)
        }
        // Without a cache, token by token.
        var ids = Self.ids
        for _ in 0..<6 { ids.append(Int32(try model.lastLogits(TokenBatch(ids), cache: nil).argMax().integers()[0])) }
        #expect(Array(ids.suffix(6)) == together[0].tokens)
    }

    @Test("A field that is missing or makes no sense is named", arguments: TinyFamily.all)
    func fields(family: TinyFamily) throws {
        for field in family.needed {
            let problem = try #require(try TinyFolder(configuration: family.text([field: nil]), tensors: nil).problem())
            #expect(problem.contains("'\(field)'"), "\(field)")
            for senseless in ["0", "-1", "\"x\"", "1099511627776"] {
                let problem = try #require(try TinyFolder(configuration: family.text([field: senseless]), tensors: nil).problem())
                #expect(problem.contains("config.json") && problem.contains(field), "\(field) \(senseless)")
            }
        }
        for (field, value, expected) in family.senseless {
            let problem = try #require(try TinyFolder(configuration: family.text([field: value]), tensors: nil).problem(), "\(field) \(value)")
            #expect(problem.contains(expected), "\(field) \(value)")
        }
    }

    /// Whether the weights of two folders are the same, byte for byte.
    private func same(_ a: String, _ b: String) throws -> Bool {
        let files = try [a, b].map { try MappedFile(path: "\($0)/model.safetensors") }
        return files[0].bytes(in: 0..<files[0].byteCount).elementsEqual(files[1].bytes(in: 0..<files[1].byteCount))
    }
}
