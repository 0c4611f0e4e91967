import BitsModels
import BitsNN
import BitsQuant
import BitsSystem

/// Errors as a picture: for each of a few forms a field of cells, blocks of the model from left to right, kinds of layers from top to bottom, the stronger the
/// colour the larger the error of the outputs; and below what a plan has chosen.
///
/// Colours follow the viewer's scheme, light or dark.
public struct ErrorMap {
    private let errors: QuantizationErrors
    private let planned: PlannedPrecision
    private let kinds: [String]
    private let blocks: Int

    private static let (cell, gap, left, top, title) = (18.0, 2.0, 210.0, 92.0, 26.0)
    private static let panels: [Quantization] = [.fourBit(.nf4), .fourBit(.fp4), .int8()]

    public init(_ errors: QuantizationErrors, _ planned: PlannedPrecision) {
        (self.errors, self.planned) = (errors, planned)
        var seen = Set<String>()
        kinds = errors.layers.map(\.kind).filter { seen.insert($0).inserted }
        blocks = 1 + (errors.layers.compactMap(\.block).max() ?? 0)
    }

    /// The picture.
    public func svg() -> String {
        let shown = ErrorMap.panels.filter(errors.forms.contains)
        let panel = Double(kinds.count) * ErrorMap.cell + ErrorMap.title + 14
        let width = max(520, ErrorMap.left + Double(blocks) * ErrorMap.cell + 24)
        let chosen = Set(planned.plan.layers.map { ErrorMap.name($0.form) }).sorted()
        let height = ErrorMap.top + Double(shown.count + 1) * panel + 22 * Double((chosen.count + 2) / 3)
        var parts = [ErrorMap.text("What quantization costs each layer", 16, 24, class: "head")]
        parts.append(ErrorMap.text("relative error of its outputs, blocks of the model from left to right", 16, 42))
        parts += scale()
        for (index, form) in shown.enumerated() {
            let y = ErrorMap.top + Double(index) * panel
            let mean = errors.mean(under: form).outputs
            parts.append(ErrorMap.text("\(form.name), \(ErrorMap.percent(mean)) on average", ErrorMap.left, y + 16, class: "head"))
            parts += field(y + ErrorMap.title) { cell in
                let error = cell.compactMap { $0.errors(under: form)?.outputs }.max() ?? .nan
                return (ErrorMap.heat(error), "\(cell[0].path): \(ErrorMap.percent(error))")
            }
        }
        let y = ErrorMap.top + Double(shown.count) * panel
        parts.append(ErrorMap.text("the plan", ErrorMap.left, y + 16, class: "head"))
        let forms = Dictionary(planned.plan.layers.map { ($0.path, $0.form) }) { first, _ in first }
        parts += field(y + ErrorMap.title) { cell in
            let name = ErrorMap.name(forms[cell[0].path] ?? nil)
            return ("c\((chosen.firstIndex(of: name) ?? 0) % 12)", "\(cell[0].path): \(name)")
        }
        for (index, name) in chosen.enumerated() {
            let (x, line) = (16 + Double(index % 3) * (width - 32) / 3, y + panel + 6 + 22 * Double(index / 3))
            parts.append("<rect class=\"c\(index % 12)\" x=\"\(x)\" y=\"\(line - 11)\" width=\"12\" height=\"12\" rx=\"2\"/>\n")
            parts.append(ErrorMap.text(name, x + 18, line))
        }
        return
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(width)) \(Int(height))\" font-family=\"sans-serif\" font-size=\"12\">\n"
            + "<style>\n\(ErrorMap.style)</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n" + parts.joined() + "</svg>\n"
    }

    /// A field of cells, each in the class and with the words that `look` gives its layers; experts of a block share a cell.
    private func field(_ y: Double, _ look: ([LayerErrors]) -> (class: String, words: String)) -> [String] {
        let cells = Dictionary(grouping: errors.layers) { "\($0.kind) \($0.block ?? 0)" }
        return kinds.enumerated().flatMap { row, kind -> [String] in
            let line = y + Double(row) * ErrorMap.cell
            let label = kind.count > 32 ? "…" + kind.suffix(31) : kind
            let found = (0..<blocks).compactMap { block -> String? in
                guard let layers = cells["\(kind) \(block)"] else { return nil }
                let (name, words) = look(layers)
                let size = ErrorMap.cell - ErrorMap.gap
                return "<rect class=\"\(name)\" x=\"\(ErrorMap.left + Double(block) * ErrorMap.cell)\" y=\"\(line)\" width=\"\(size)\" "
                    + "height=\"\(size)\" rx=\"2\"><title>\(ErrorMap.escaped(words))</title></rect>\n"
            }
            return [ErrorMap.text(label, ErrorMap.left - 8, line + 12, class: "end")] + found
        }
    }

    /// What the shades stand for.
    private func scale() -> [String] {
        let labels = ["0.5", "1", "2", "4", "8", "16", "32 %"]
        let x = 16.0
        return labels.enumerated().flatMap { index, label in
            [
                "<rect class=\"h\(index)\" x=\"\(x + Double(index) * 34)\" y=\"54\" width=\"32\" height=\"12\" rx=\"2\"/>\n",
                ErrorMap.text(label, x + Double(index) * 34 + 16, 80, class: "middle"),
            ]
        }
    }
}

extension ErrorMap {
    /// Shades double: up to 0.5 %, 1 %, 2 %, ... and above 16 %.
    private static func heat(_ error: Double) -> String {
        guard error.isFinite else { return "none" }
        return "h\(max(0, min(6, Int((log2(max(error, 1e-9) / 0.005)).rounded(.up)))))"
    }

    private static func name(_ form: Quantization?) -> String {
        form.map { form in form.name + (form.blockSize.map { ", blocks of \($0)" } ?? "") } ?? "as it is"
    }

    private static func percent(_ value: Double) -> String { value.isFinite ? "\((value * 10000).rounded() / 100) %" : "unknown" }

    private static func text(_ text: String, _ x: Double, _ y: Double, class name: String = "") -> String {
        "<text\(name.isEmpty ? "" : " class=\"\(name)\"") x=\"\(x)\" y=\"\(y)\">\(escaped(text))</text>\n"
    }

    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { $0 += ["&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;"][$1] ?? String($1) }
    }

    private static let (lightHeat, darkHeat) = (
        ["#eef3fa", "#cfe0f3", "#a6c8e8", "#71a8d8", "#3f84c0", "#1f5f9e", "#0b3566"],
        ["#1b2733", "#1d3b57", "#205580", "#2a75ad", "#4a9ad6", "#86c1ee", "#d3eaff"]
    )
    private static let forms = [
        "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#ff9da7", "#9c755f", "#86bcb6", "#d37295", "#a0a0a0",
    ]

    private static func rules(page: String, ink: String, empty: String, _ heat: [String]) -> String {
        ".page { fill: \(page) } text { fill: \(ink) } .none { fill: \(empty) } "
            + heat.enumerated().map { ".h\($0) { fill: \($1) }" }.joined(separator: " ")
    }

    private static let style =
        rules(page: "#ffffff", ink: "#1a1a1a", empty: "#d8d8d8", lightHeat) + "\n"
        + forms.enumerated().map { ".c\($0) { fill: \($1) }" }.joined(separator: " ")
        + "\n.head { font-weight: bold } .end { text-anchor: end } .middle { text-anchor: middle; font-size: 10px }\n"
        + "@media (prefers-color-scheme: dark) { \(rules(page: "#10151b", ink: "#e6e6e6", empty: "#3a3a3a", darkHeat)) }\n"
}
