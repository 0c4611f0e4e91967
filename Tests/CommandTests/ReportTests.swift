import Foundation
import Testing

@Suite struct ReportTests {
    private static let short = ["--window", "32", "--windows", "2", "--block-size", "64", "--block-size", "256"]

    @Test("a report shows forms, kinds of layers, the worst layers and a plan, in lines that fit")
    func text() throws {
        let model = try TinyModel()
        let outcome = try Command.run(["report", "--model", model.path, "--budget", "1.2xnf4-dq"] + Self.short)
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        for part in [
            "form ", "nf4-dq ", "int8 ", "model.layers.*.mlp.down_proj", "layers that nf4-dq hurts most", "the plan", "expected to raise the loss",
        ] {
            #expect(outcome.output.contains(part), "\(part)")
        }
        #expect(outcome.output.split(separator: "\n").allSatisfy { $0.count <= 160 })
    }

    @Test("a plan goes from the report through quantize to a checkpoint that computes what loading by it does")
    func plan() throws {
        let (model, scratch) = (try TinyModel(), try Scratch())
        let (plan, picture) = ("\(scratch.path)/plan.json", "\(scratch.path)/errors.svg")
        let report = try Command.run(
            ["report", "--model", model.path, "--bits", "6", "--output", plan, "--picture", picture, "--evaluate", "--json"] + Self.short)
        #expect(report.status == 0 && report.errors.isEmpty, "\(report.errors)")
        let json = try report.json
        let budget = try #require(json["budget"] as? [String: Double])
        let (bits, cost, plain) = (try #require(budget["bits_per_weight"]), try #require(budget["cost"]), try #require(budget["nf4_dq_cost"]))
        #expect(bits <= 6 && cost <= plain)
        #expect((json["layers"] as? [[String: Any]])?.count == 16 && (json["forms"] as? [Any])?.count == 9)
        let nll = try #require(json["nll"] as? [String: Double])
        #expect(nll.keys.sorted() == ["nf4_dq", "plain", "plan", "tokens"])
        let drawing = String(decoding: try scratch.data("errors.svg"), as: UTF8.self)
        #expect(drawing.hasPrefix("<svg ") && drawing.hasSuffix("</svg>\n") && drawing.contains("prefers-color-scheme: dark"))
        #expect(drawing.matches(of: /<title>/).count == 4 * 16)

        let quantized = try Command.run("quantize", "--model", model.path, "--plan", plan, "--output", "\(scratch.path)/m")
        #expect(quantized.status == 0 && quantized.output.contains("\n  it loads here"), "\(quantized.errors)")
        let evaluation = ["evaluate", "--windows", "2", "--window", "16", "--json", "--model"]
        let stored = try Command.run(evaluation + ["\(scratch.path)/m"]).json
        let loaded = try Command.run(evaluation + [model.path, "--plan", plan]).json
        #expect(stored["nll"] as? Double != nil && stored["nll"] as? Double == loaded["nll"] as? Double)
        #expect(stored["weight_bytes"] as? Int == Int(try #require(budget["bytes"])))
    }

    @Test("on the built-in model a plan of the same size is better than nf4")
    func better() throws {
        let scratch = try Scratch()
        let plan = "\(scratch.path)/plan.json"
        let sizes = [32, 64, 128, 256].flatMap { ["--block-size", "\($0)"] }
        let forms = ["nf4", "nf4-dq", "int8"].flatMap { ["--load-in", $0] }
        let report = try Command.run(["report", "-m", "lexicon-5m", "--budget", "nf4", "--output", plan, "--json"] + sizes + forms)
        #expect(report.status == 0, "\(report.errors)")
        let evaluation = ["evaluate", "-m", "lexicon-5m", "--windows", "24", "--json"]
        let uniform = try Command.run(evaluation + ["--load-in", "nf4"]).json
        let planned = try Command.run(evaluation + ["--plan", plan]).json
        let bytes = try #require(planned["weight_bytes"] as? Int)
        #expect(try bytes <= #require(uniform["weight_bytes"] as? Int))
        let (ours, theirs) = (try #require(planned["nll"] as? Double), try #require(uniform["nll"] as? Double))
        #expect(ours < theirs - 0.002, "\(ours), \(theirs)")
    }

    @Test(
        "what cannot be is refused with 64 and the reason",
        arguments: [
            (["--budget", "nf5"], "nf5"), (["--budget", "0xnf4"], "0xnf4"), (["--bits", "0"], "--bits 0.0 is not above 0"),
            (["--bits", "4", "--budget", "1GB"], "use one"), (["--budget", "100kB"], "the smallest forms take"),
            (["--block-size", "48"], "block size 48 is not supported"), (["--skip", "nothing"], "--skip 'nothing' matches no layer"),
            (["--windows", "0"], "--windows 0 is not at least 1"), (["--budget", "fp4", "--load-in", "int8"], "--budget fp4 is not among the forms"),
        ])
    func refused(options: [String], reason: String) throws {
        let outcome = try Command.run(["report", "--model", "lexicon-5m", "--window", "16", "--windows", "1"] + options)
        #expect(outcome.status == 64 && outcome.output.isEmpty && outcome.errors.contains(reason), "\(outcome.errors)")
    }

    @Test("plans stand alone, and a quantized model has nothing to report")
    func misuse() throws {
        for verb in [["quantize", "--to", "nf4", "-o", "x"], ["generate", "--prompt", "a", "--load-in", "nf4"]] {
            let outcome = try Command.run(verb + ["--plan", "plan.json"])
            #expect(outcome.status == 64 && outcome.errors.contains("both say what layers become; use one"))
        }
        let model = try TinyModel(.nf4)
        let outcome = try Command.run("report", "--model", model.path)
        #expect(outcome.status == 65 && outcome.errors.contains("is quantized already (nf4)"))
    }
}
