public import BitsIO
import BitsSystem

/// The losses of a run as a picture: an observer of a ``Trainer`` that draws what it has seen.
public final class LossCurve {
    /// The losses of the steps, and of the evaluations.
    public private(set) var losses: [(step: Int, loss: Double)] = []
    public private(set) var evaluations: [(step: Int, loss: Double)] = []

    public init() {}

    /// Begins with what a ``TrainingLog`` says, that of a run which is gone on with.
    ///
    /// - Throws: ``BitsIO/ModelFileError/system(_:)`` when it cannot be read.
    public init(log path: String) throws(ModelFileError) {
        let bytes: [UInt8]
        do { bytes = try FileSystem.contents(of: path) } catch { throw .system(error) }
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            guard case .object(let object)? = try? JSONValue(parsing: Array(line)), case .number(let step)? = object["step"], let step = step.integer
            else { continue }
            if case .number(let loss)? = object["loss"] { losses.append((step, loss.double)) }
            if case .number(let loss)? = object["eval_nll"] { evaluations.append((step, loss.double)) }
        }
    }

    /// Takes note of a loss.
    public func observe(_ event: TrainingEvent) {
        switch event {
        case .step(let step): losses.append((step.step, step.loss))
        case .evaluation(let evaluation): evaluations.append((evaluation.step, evaluation.nll))
        case .checkpoint: break
        }
    }

    /// The mean loss of each of at most `count` stretches of steps, with the stretch's middle.
    private func means(_ count: Int) -> [(step: Double, loss: Double)] {
        let known = losses.filter { $0.loss.isFinite }
        let length = max(1, (known.count + count - 1) / count)
        return stride(from: 0, to: known.count, by: length).map { start in
            let part = known[start..<min(start + length, known.count)]
            let (steps, sum) = part.reduce((0.0, 0.0)) { ($0.0 + Double($1.step), $0.1 + $1.loss) }
            return (steps / Double(part.count), sum / Double(part.count))
        }
    }

    /// The steps and the losses that a picture of `points` goes over.
    private func bounds(_ points: [(step: Double, loss: Double)]) -> (steps: ClosedRange<Double>, losses: ClosedRange<Double>)? {
        guard let first = points.map(\.step).min(), let last = points.map(\.step).max(), let low = points.map(\.loss).min(),
            let high = points.map(\.loss).max()
        else { return nil }
        return (first...max(last, first + 1), low...max(high, low + 1e-9))
    }

    /// The curve for a terminal: a column of blocks for each stretch, eight heights to a line, with the scale at the left; nothing without two steps.
    public func text(width: Int = 64, height: Int = 8) -> String {
        let points = means(width)
        guard points.count > 1, let bounds = bounds(points) else { return "" }
        let (low, high) = (bounds.losses.lowerBound, bounds.losses.upperBound)
        let blocks: [Character] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
        // The lowest loss still has a height of one.
        let heights = points.map { 1 + Int((($0.loss - low) / (high - low) * Double(8 * height - 1)).rounded()) }
        let lines = (0..<height).map { line in
            let base = 8 * (height - 1 - line)
            let scale = line == 0 ? LossCurve.rounded(high) : line == height - 1 ? LossCurve.rounded(low) : ""
            return LossCurve.padded(scale, 8) + " │" + String(heights.map { blocks[max(0, min(8, $0 - base))] })
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The curve as an SVG picture: steps in grey, means over a hundredth of the run in blue, evaluations in orange.
    public func svg() -> String {
        let (width, height, left, bottom) = (720.0, 360.0, 56.0, 36.0)
        let all = losses.filter { $0.loss.isFinite }.map { (step: Double($0.step), loss: $0.loss) }
        let measured = evaluations.filter { $0.loss.isFinite }.map { (step: Double($0.step), loss: $0.loss) }
        let bounds = bounds(all + measured) ?? (0...1, 0...1)
        func x(_ step: Double) -> Double {
            left + (step - bounds.steps.lowerBound) / (bounds.steps.upperBound - bounds.steps.lowerBound) * (width - left - 12)
        }
        func y(_ loss: Double) -> Double {
            12 + (bounds.losses.upperBound - loss) / (bounds.losses.upperBound - bounds.losses.lowerBound) * (height - bottom - 12)
        }
        func line(_ points: [(step: Double, loss: Double)], _ color: String, _ thickness: String) -> String {
            let path = points.map { "\(LossCurve.rounded(x($0.step), 1)),\(LossCurve.rounded(y($0.loss), 1))" }.joined(separator: " ")
            return points.isEmpty ? "" : "<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(color)\" stroke-width=\"\(thickness)\"/>\n"
        }
        func label(_ text: String, _ x: Double, _ y: Double, _ anchor: String) -> String {
            "<text x=\"\(x)\" y=\"\(y)\" text-anchor=\"\(anchor)\">\(text)</text>\n"
        }
        let ticks = (0...4).map { bounds.losses.lowerBound + Double($0) / 4 * (bounds.losses.upperBound - bounds.losses.lowerBound) }
        let grid = ticks.map { tick in
            "<line x1=\"\(left)\" x2=\"\(width - 12)\" y1=\"\(LossCurve.rounded(y(tick), 1))\" y2=\"\(LossCurve.rounded(y(tick), 1))\" stroke=\"#dddddd\"/>\n"
                + label(LossCurve.rounded(tick), left - 6, y(tick) + 4, "end")
        }.joined()
        let dots = measured.map {
            "<circle cx=\"\(LossCurve.rounded(x($0.step), 1))\" cy=\"\(LossCurve.rounded(y($0.loss), 1))\" r=\"3\" fill=\"#d95f02\"/>\n"
        }
        return
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(width)) \(Int(height))\" font-family=\"sans-serif\" font-size=\"12\">\n"
            + "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n" + grid + line(all, "#bbbbbb", "1") + line(means(100), "#1f77b4", "2")
            + line(measured, "#d95f02", "1.5") + dots.joined() + label("step \(Int(bounds.steps.lowerBound))", left, height - 12, "start")
            + label("step \(Int(bounds.steps.upperBound))", width - 12, height - 12, "end") + "</svg>\n"
    }

    private static func rounded(_ value: Double, _ decimals: Int = 3) -> String {
        let scale = decimals == 1 ? 10.0 : 1000
        return "\((value * scale).rounded() / scale)"
    }

    private static func padded(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
}
