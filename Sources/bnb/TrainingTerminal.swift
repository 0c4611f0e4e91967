import BitsCore
import BitsIO
import BitsTune

/// How a run goes, on standard error: one line that changes where a person watches, else a line now and then.
final class TrainingTerminal {
    private let every: Int
    private let memory: MemoryLedger
    private let isWatched = Console.isWatched
    private let clock = ContinuousClock()
    private var start: (time: ContinuousClock.Instant, step: TrainingStep)?
    private var recent: [Double] = []

    /// - Parameters:
    ///   - every: steps between lines where nobody watches.
    ///   - device: whose memory is told, the most that was held of it.
    init(every: Int, device: Device) { (self.every, memory) = (every, device.memory) }

    func observe(_ event: TrainingEvent) {
        switch event {
        case .step(let step):
            let first = start ?? (clock.now, step)
            start = first
            recent.append(step.loss)
            let isDue = step.step % every == 0 || step.step == step.steps || step.step == 1
            guard isWatched || isDue else { return }
            let mean = recent.reduce(0, +) / Double(recent.count)
            if isDue { recent = [] }
            show(line(step, loss: isWatched ? step.loss : mean, since: first), stays: !isWatched)
        case .evaluation(let evaluation):
            show("step \(evaluation.step): eval_nll \(Bytes.rounded(evaluation.nll, 4))\(evaluation.isBest ? ", the best so far" : "")", stays: true)
        case .checkpoint(_, let path): show("saved \(path)", stays: true)
        }
    }

    /// Clears the line that changes.
    func finish() { if isWatched { Console.note("\r\u{1b}[K") } }

    private func show(_ line: String, stays: Bool) { Console.note((isWatched ? "\r\u{1b}[K" : "") + line + (stays ? "\n" : "")) }

    private func line(_ step: TrainingStep, loss: Double, since start: (time: ContinuousClock.Instant, step: TrainingStep)) -> String {
        let seconds = (clock.now - start.time) / .seconds(1)
        var parts: [(part: Part, text: String)] = [
            (.always, "step \(step.step)/\(step.steps)"), (.epoch, "epoch \(Bytes.rounded(step.epoch, 2))"),
            (.always, "loss \(Bytes.rounded(loss, 3))"), (.learningRate, "lr \(Bytes.significant(step.learningRate, 3))"),
        ]
        if let norm = step.gradientNorm { parts.append((.norm, "norm \(Bytes.significant(norm, 3))")) }
        let steps = step.step - start.step.step
        if steps > 0, seconds > 0 {
            parts.append((.always, "\(Int(Double(step.tokens - start.step.tokens) / seconds)) tokens/s"))
            parts.append((.memory, "\(Bytes(memory.peak.total))"))
            parts.append((.always, "\(TrainingTerminal.time(seconds / Double(steps) * Double(step.steps - step.step))) left"))
        }
        func joined() -> String { parts.map(\.text).joined(separator: "  ") }
        // A line that goes on in the next row could not be cleared.
        for part in [Part.epoch, .norm, .learningRate, .memory] where isWatched && joined().count >= Console.watchedColumns {
            parts.removeAll { $0.part == part }
        }
        return joined()
    }

    /// What of a line may be left out.
    private enum Part {
        case always, epoch, norm, learningRate, memory
    }

    /// `59 s`, `3 min`, `2 h 05 min`.
    private static func time(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded(.up))
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return "\((whole + 59) / 60) min" }
        let minutes = whole / 60
        return "\(minutes / 60) h \(minutes % 60 < 10 ? "0" : "")\(minutes % 60) min"
    }
}
