import Foundation
import Testing
import _BitsTestSupport

@Suite struct MergeCommandTests {
    private let adapter = "\(ParityCases.folder)/models/llama/adapter"

    private func nll(_ model: String, _ arguments: String...) throws -> Double {
        let scratch = try Scratch()
        try scratch.write((0..<60).map { "line \($0 * $0), " }.joined(), as: "text")
        let outcome = try Command.run(
            ["evaluate", "--model", model, "--text", "\(scratch.path)/text", "--window", "32", "--json"] + arguments)
        return try #require(try outcome.json["nll"] as? Double, "\(outcome.errors)")
    }

    @Test("a merged model computes what the model with its adapters did, half of one and all of another")
    func merged() throws {
        let (model, scratch) = (try TinyModel(), try Scratch())
        let adapters = ["--adapter", "\(adapter)=0.5", "--adapter", adapter]
        let outcome = try Command.run(["merge", "--model", model.path, "--output", "\(scratch.path)/m"] + adapters)
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        #expect(outcome.output.contains("14 layers merged, and read back") && outcome.output.contains("of 64 tokens 64 have the same"))
        let before = try nll(model.path, "--adapter", "\(adapter)=0.5", "--adapter", adapter)
        #expect(abs(try nll("\(scratch.path)/m") - before) < 1e-4)
        #expect(abs(try nll(model.path, "--adapter", "\(adapter)=1.5") - before) < 1e-4)
        #expect(abs(try nll(model.path, "--adapter", adapter) - before) > 1e-3)
        #expect(abs(try nll(model.path, "--adapter", "\(adapter)=0") - nll(model.path)) < 1e-6)
        let again = try Command.run(["merge", "--model", model.path, "--output", "\(scratch.path)/m"] + adapters)
        #expect(again.status == 74 && again.errors.contains("exists"))
    }

    @Test("into what 4-bit codes stand for the merge is exact; quantizing the result says what that costs")
    func quantized() throws {
        let (model, scratch) = (try TinyModel(), try Scratch())
        let exact = try Command.run(
            "merge", "--model", model.path, "--adapter", adapter, "--load-in", "nf4", "--output", "\(scratch.path)/exact", "--json"
        ).json
        let (weights, logits) = (try #require(exact["weight_error"] as? Double), try #require(exact["logits_error"] as? Double))
        #expect(weights < 1e-6 && logits < 1e-4 && (exact["quantized"] as? [String]) == [] && (exact["merged"] as? [[String: Any]])?.count == 14)
        #expect(abs(try nll("\(scratch.path)/exact") - nll(model.path, "--adapter", adapter, "--load-in", "nf4")) < 1e-4)
        let packed = try Command.run(
            "merge", "--model", model.path, "--adapter", adapter, "--to", "nf4", "--output", "\(scratch.path)/packed", "--json"
        ).json
        #expect(try #require(packed["weight_error"] as? Double) > 0.02 && (packed["quantized"] as? [String])?.count == 14)
        let inspected = try Command.run("inspect", "--model", "\(scratch.path)/packed")
        #expect(inspected.output.contains("nf4"))
        let already = try TinyModel(quantized: true)
        let dequantized = try Command.run(
            "merge", "--model", already.path, "--adapter", adapter, "--output", "\(scratch.path)/dequantized", "--json"
        ).json
        #expect(try #require(dequantized["weight_error"] as? Double) < 1e-2)
        #expect(try String(contentsOfFile: "\(scratch.path)/dequantized/config.json", encoding: .utf8).contains("quantization_config") == false)
    }

    @Test("an adapter of another model is refused, and nothing is left behind")
    func refused() throws {
        let scratch = try Scratch()
        let outcome = try Command.run("merge", "--adapter", adapter, "--output", "\(scratch.path)/m")
        #expect(outcome.status == 65 && outcome.errors.contains("the adapter does not fit the model"))
        #expect(try scratch.names == [])
    }
}
