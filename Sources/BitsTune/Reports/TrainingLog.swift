public import BitsIO
import BitsSystem

/// A run's log: a JSON object a line, for programs to read while it runs. The same run writes the same log.
///
/// A step has `step`, `epoch`, `loss`, `learning_rate`, `grad_norm` and `tokens`; an evaluation has `step` and `eval_nll`.
public final class TrainingLog {
    private let file: AppendedFile

    /// Goes on with the log at `path`, or begins it.
    ///
    /// - Parameter step: the last one that counts: what a run wrote later, before it went back to a checkpoint, is dropped.
    /// - Throws: ``BitsIO/ModelFileError/system(_:)`` when it cannot be read or written.
    public init(path: String, after step: Int = 0) throws(ModelFileError) {
        do throws(FileError) {
            if FileSystem.kind(of: path) != .missing {
                let lines = try FileSystem.contents(of: path).split(separator: UInt8(ascii: "\n"))
                let kept = lines.filter { line in TrainingLog.step(of: Array(line)).map { $0 <= step } ?? false }
                try AtomicFile.write(kept.flatMap { $0 + [UInt8(ascii: "\n")] }, to: path)
            }
            file = try AppendedFile(path: path)
        } catch { throw .system(error) }
    }

    private static func step(of line: [UInt8]) -> Int? {
        guard case .object(let object)? = try? JSONValue(parsing: line), case .number(let step)? = object["step"] else { return nil }
        return step.integer
    }

    /// Writes down what is for the log: an observer of a ``Trainer``.
    ///
    /// - Throws: ``BitsIO/ModelFileError/system(_:)``.
    public func observe(_ event: TrainingEvent) throws(ModelFileError) {
        let object: JSONObject
        switch event {
        case .step(let step):
            object = [
                "step": .number(JSONNumber(step.step)), "epoch": .number(JSONNumber(step.epoch)), "loss": .number(finite: step.loss),
                "learning_rate": .number(JSONNumber(step.learningRate)), "grad_norm": step.gradientNorm.map { .number(finite: $0) } ?? .null,
                "tokens": .number(JSONNumber(step.tokens)),
            ]
        case .evaluation(let evaluation): object = ["step": .number(JSONNumber(evaluation.step)), "eval_nll": .number(finite: evaluation.nll)]
        case .checkpoint: return
        }
        do { try file.write(Array("\(JSONValue.object(object).compactText)\n".utf8)) } catch { throw .system(error) }
    }
}
