package import BitsIO

/// Which linear layers a quantization takes, and which it leaves as they are.
package struct LayerSelection: Sendable {
    private let quantization: BitsAndBytesConfig?
    private var matchedSkips: Set<String> = []

    package init(_ quantization: BitsAndBytesConfig?) { self.quantization = quantization }

    /// Why the layer at `path` stays as it is; nil if it is to be quantized.
    package mutating func reasonToKeep(_ path: String) -> String? {
        guard let quantization, quantization.loadIn4Bit else { return "no quantization was asked for" }
        let skips = quantization.skipModules ?? ["lm_head"]
        guard let skip = skips.first(where: { ModulePattern($0).matches(path) }) else { return nil }
        matchedSkips.insert(skip)
        return quantization.skipModules == nil ? "output heads stay as they are" : "is on the skip list ('\(skip)')"
    }

    /// The entries of the skip list that have matched no layer so far.
    package var unmatchedSkips: [String] { (quantization?.skipModules ?? []).filter { !matchedSkips.contains($0) } }
}
