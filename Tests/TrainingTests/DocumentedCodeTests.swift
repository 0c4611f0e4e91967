import BitsAndBytes
import BitsModels
import Foundation
import Testing
import _BitsTestSupport

private let root: URL = (0..<3).reduce(URL(fileURLWithPath: #filePath)) { path, _ in path.deletingLastPathComponent() }

/// The README, the guide, and the pages of the modules.
private let documents: [String] = {
    let pages = FileManager.default.enumerator(atPath: root.appendingPathComponent("Sources").path)?.compactMap { $0 as? String } ?? []
    return ["README.md", "Docs/coming-from-bitsandbytes.md"] + pages.filter { $0.contains(".docc/") && $0.hasSuffix(".md") }.map { "Sources/\($0)" }
}()

@Suite("What the documents show")
struct DocumentedCodeTests {
    /// The lines of a text without what surrounds and separates words, which a formatter decides.
    private func lines(_ text: Substring) -> [String] {
        text.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }.filter { !$0.isEmpty }
    }

    private func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    /// The Swift code of a document, block by block.
    private func blocks(of document: String) throws -> [[String]] {
        try text(document).components(separatedBy: "```swift\n").dropFirst().map { lines($0.components(separatedBy: "```")[0][...]) }
    }

    @Test("Every line is compiled", arguments: documents)
    func compiled(document: String) throws {
        let compiled = lines(try text("Tests/TrainingTests/DocumentedCode.swift")[...])
        for block in try blocks(of: document) {
            let code = block.filter { !$0.hasPrefix("import ") }
            let isThere = !code.isEmpty && compiled.indices.contains { compiled[$0...].starts(with: code) }
            #expect(isThere, "DocumentedCode.swift lacks:\n\(code.joined(separator: "\n"))")
        }
    }

    @Test("There are pages, and the README shows code")
    func pages() throws {
        #expect(documents.count > 12)
        #expect(try blocks(of: "README.md").count == 2)
    }

    @Test("It needs what the README imports, and no more")
    func imports() throws {
        let compiled = lines(try text("Tests/TrainingTests/DocumentedCode.swift")[...]).filter { $0.hasPrefix("import ") }
        #expect(try compiled == blocks(of: "README.md")[0].filter { $0.hasPrefix("import ") })
    }

    @Test("The README's main example runs as it stands, and prints an answer that ends")
    func readme() async throws {
        let result = try await #require(processExitsWith: .success, observing: [\.standardOutputContent]) {
            let scratch = try TemporaryFolder()
            let files = FileManager.default
            let embedded = root.appendingPathComponent("Sources/CLexicon")
            #expect(files.changeCurrentDirectoryPath(scratch.path))
            try files.createSymbolicLink(at: URL(fileURLWithPath: "Llama-3.2-1B"), withDestinationURL: embedded.appendingPathComponent("lexicon-5m"))
            try files.createSymbolicLink(
                at: URL(fileURLWithPath: "questions.jsonl"), withDestinationURL: embedded.appendingPathComponent("text/sft_train.jsonl"))
            try DocumentedCode.readme()
            #expect(try files.contentsOfDirectory(atPath: "my-adapter").sorted() == ["adapter_config.json", "adapter_model.safetensors"])
            #expect(try files.contentsOfDirectory(atPath: "my-model").contains("tokenizer.json"))
        }
        let answer = String(decoding: result.standardOutputContent, as: UTF8.self)
        #expect(answer.count(where: \.isNewline) == 1 && answer.count > 10 && answer.count < 400, "\(answer)")
    }

    @Test("The other code runs")
    func parts() throws {
        try DocumentedCode.readmeParts()
        let (weight, x) = (Tensor.ones([64, 64]), Tensor.ones([2, 64]))
        try DocumentedCode.optimizers([Parameter(weight)])
        try DocumentedCode.normalFloat(weight: weight, x: x)
        DocumentedCode.outliers(w: weight, x: x)
        try DocumentedCode.replacing(in: TinyTraining(on: .cpu).model)
        try DocumentedCode.core()
        try DocumentedCode.quant()
        try DocumentedCode.optim()
    }
}
