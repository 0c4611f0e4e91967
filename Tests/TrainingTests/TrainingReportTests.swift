import BitsCore
import BitsIO
import BitsSystem
import Testing
import _BitsTestSupport

@testable import BitsTune

@Suite("What a run tells of itself")
struct TrainingReportTests {
    private func step(_ number: Int, loss: Double = 2.5) -> TrainingEvent {
        .step(TrainingStep(step: number, steps: 9, epoch: 0.5, loss: loss, learningRate: 1e-3, gradientNorm: 1.25, tokens: 100 * number))
    }

    @Test("A log is a JSON object a line; one that goes on drops what came after its checkpoint")
    func log() throws {
        let scratch = try TemporaryFolder()
        let path = "\(scratch.path)/log.jsonl"
        do {
            let log = try TrainingLog(path: path)
            for number in 1...4 { try log.observe(step(number)) }
            try log.observe(.evaluation(TrainingEvaluation(step: 4, nll: .nan, isBest: false)))
        }
        let log = try TrainingLog(path: path, after: 2)
        try log.observe(.evaluation(TrainingEvaluation(step: 2, nll: 1.5, isBest: true)))
        try log.observe(.checkpoint(step: 2, path: "somewhere"))
        let lines = try scratch.text(of: "log.jsonl").split(separator: "\n")
        #expect(
            lines == [
                #"{"step": 1, "epoch": 0.5, "loss": 2.5, "learning_rate": 0.001, "grad_norm": 1.25, "tokens": 100}"#,
                #"{"step": 2, "epoch": 0.5, "loss": 2.5, "learning_rate": 0.001, "grad_norm": 1.25, "tokens": 200}"#,
                #"{"step": 2, "eval_nll": 1.5}"#,
            ])
        try log.observe(step(3, loss: .infinity))
        #expect(try scratch.text(of: "log.jsonl").contains("\"loss\": null"))
    }

    @Test("A record of TensorBoard's is what TensorFlow writes")
    func record() {
        // tf.summary: tag "train/loss", 0.5, step 300, at 1.5 s.
        let event = EventRecord.scalars([("train/loss", 0.5)], step: 300, time: 1.5)
        let expected: [UInt8] =
            [0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0x10, 0xac, 0x02, 0x2a, 19, 0x0a, 17, 0x0a, 10] + Array("train/loss".utf8) + [0x15, 0, 0, 0, 0x3f]
        #expect(event == expected)
        // How every file of events begins: the length 24, and its check.
        let record = EventRecord.bytes(EventRecord.version(time: 0))
        #expect(record.count == 24 + 16 && Array(record[..<12]) == [24, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22])
    }

    @Test("A file of events begins with its version, and every record is whole")
    func file() throws {
        let scratch = try TemporaryFolder()
        let device = Device.counting()
        let held = counted(as: .moments) { Tensor.zeros([1000], device: device) }
        let log = try TensorBoardLog(folder: scratch.path, device: device)
        for number in 1...3 { try log.observe(step(number)) }
        let name = try #require(try scratch.names.first)
        #expect(name.hasPrefix("events.out.tfevents."))
        var (rest, records) = (try scratch.bytes(of: name)[...], [[UInt8]]())
        while !rest.isEmpty {
            let length = rest.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
            let contents = Array(rest.dropFirst(12).prefix(length))
            #expect(EventRecord.bytes(contents) == Array(rest.prefix(length + 16)))
            records.append(contents)
            rest = rest.dropFirst(length + 16)
        }
        #expect(records.count == 4)
        #expect(String(decoding: records[0], as: UTF8.self).hasSuffix("brain.Event:2"))
        let last = String(decoding: records[3], as: UTF8.self)
        for tag in ["train/grad_norm", "memory/total", "memory/moments"] { #expect(last.contains(tag), "\(tag)") }
        #expect(held.count == 1000 && !last.contains("memory/weights"))
    }

    @Test("The curve falls as the loss does, in the terminal and as a picture")
    func curve() {
        let curve = LossCurve()
        #expect(curve.text() == "")
        for number in 1...128 { curve.observe(step(number, loss: 4 - Double(number) / 64)) }
        curve.observe(step(129, loss: .nan))
        curve.observe(.evaluation(TrainingEvaluation(step: 64, nll: 2.5, isBest: true)))
        let lines = curve.text(width: 64, height: 4).split(separator: "\n").map { Array($0.drop { $0 != "│" }.dropFirst()) }
        #expect(lines.count == 4 && lines.allSatisfy { $0.count <= 64 })
        #expect(lines.map { $0.last! } == [" ", " ", " ", "▁"] && lines.allSatisfy { $0[0] == "█" })
        let svg = curve.svg()
        #expect(svg.hasPrefix("<svg ") && svg.hasSuffix("</svg>\n") && svg.contains("<circle") && svg.contains("step 129") == false)
        #expect(!svg.contains("nan") && svg.split(separator: "<polyline").count == 4)
    }
}
