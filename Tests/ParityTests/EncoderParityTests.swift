import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsSystem
import Testing
import _BitsTestSupport

@Suite("Parity: encoders")
struct EncoderParityTests {
    @Test("Hidden states in float32 are within 1e-4 of the largest")
    func float32() throws {
        try ModelCase.compare("hidden states", kind: "hidden") { example in
            let recorded = try #require(try example.answer("hidden"))
            let (model, report) = try FeatureExtractor.load(example.folder("model"), options: .tested())
            #expect(report.warnings == [], "\(example.name)")
            #expect(try distance(example.real(model.hiddenStates(example.tokens)), example.real(recorded)) < 1e-4, "\(example.name)")
            return nil
        }
    }

    @Test("A model quantized while it is loaded gives hidden states close to the recorded ones", arguments: ModelParityTests.forms.indices)
    func quantizedHere(index: Int) throws {
        let form = ModelParityTests.forms[index]
        try ModelCase.compareGPU("quantized here", kind: "hidden", "hidden_\(form.name)") { example, recorded in
            let (model, report) = try FeatureExtractor.load(example.folder("model"), options: .tested(form.quantization))
            #expect(!report.quantized.isEmpty, "\(example.name)")
            let found = try distance(example.real(model.hiddenStates(example.tokens)), example.real(recorded))
            #expect(found < form.limit, "\(example.name) in \(form.name)")
        }
    }

    @Test("A checkpoint that the reference quantized gives hidden states close to the recorded ones", arguments: ModelParityTests.forms.indices)
    func quantizedThere(index: Int) throws {
        let form = ModelParityTests.forms[index]
        try ModelCase.compareGPU("quantized there", kind: "hidden", "hidden_\(form.name)") { example, recorded in
            let folder = try example.folder("cuda/model-\(form.name)")
            let (model, report) = try FeatureExtractor.load(folder, options: .tested())
            #expect(try report.quantized.count == Checkpoint(folder).quantizedPaths.count && !report.quantized.isEmpty, "\(example.name)")
            #expect(report.unused == [] && report.warnings == [], "\(example.name)")
            let found = try distance(example.real(model.hiddenStates(example.tokens)), example.real(recorded))
            #expect(found < form.limit, "\(example.name) in \(form.name)")
        }
    }

    @Test("A checkpoint that the reference quantized is saved again with every entry as it was", arguments: ModelParityTests.forms.indices)
    func savedAgain(index: Int) throws {
        let form = ModelParityTests.forms[index]
        try ModelCase.compareGPU("saved again", kind: "hidden", "hidden_\(form.name)") { example, _ in
            let (folder, scratch) = (try example.folder("cuda/model-\(form.name)"), try TemporaryFolder())
            try FeatureExtractor.load(folder, options: .tested()).model.save(to: "\(scratch.path)/m", like: folder)
            let saved = try ModelFolder(path: "\(scratch.path)/m")
            let (before, after) = (try Checkpoint(folder), try Checkpoint(saved))
            #expect(after.names == before.names, "\(example.name)")
            for name in before.names {
                let (found, expected) = (try after.tensor(name)?.bytes(), try before.tensor(name)?.bytes())
                #expect(found == expected, "\(example.name): \(name)")
            }
            #expect(try ModelConfiguration(saved) == ModelConfiguration(folder).at(saved), "\(example.name)")
        }
    }
}

extension ModelConfiguration {
    /// The same in another folder.
    fileprivate func at(_ folder: ModelFolder) throws -> ModelConfiguration {
        try ModelConfiguration(ConfigurationFields(fields.object, path: folder.file("config.json").path))
    }
}
