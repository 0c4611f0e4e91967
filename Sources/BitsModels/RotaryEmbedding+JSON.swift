import BitsIO
import BitsNN
import BitsSystem

extension RotaryEmbedding {
    /// Reads `rope_scaling` or `rope_parameters`, and `rope_theta` beside or in it.
    ///
    /// - Parameters:
    ///   - contextLength: `max_position_embeddings`.
    ///   - isPartial: whether the family rotates `partial_rotary_factor` of a head.
    /// - Throws: ``BitsIO/ModelFileError`` for a kind that is not implemented, or numbers that make no sense.
    init(_ fields: ConfigurationFields, headWidth: Int, contextLength: Int, isPartial: Bool = false) throws(ModelFileError) {
        let old = try fields.section("rope_scaling")
        let section = try old?.object.isEmpty == false ? old : fields.section("rope_parameters")
        try self.init(section, in: fields, headWidth: headWidth, contextLength: contextLength, theta: 10_000, isPartial: isPartial)
    }

    /// Reads a section; what it does not say stands in `fields`.
    ///
    /// - Parameters:
    ///   - theta: the base where neither says.
    ///   - thetaKey: what it is called in `fields`.
    init(
        _ section: ConfigurationFields?, in fields: ConfigurationFields, headWidth: Int, contextLength: Int, theta: Float,
        thetaKey: String = "rope_theta", isPartial: Bool = false
    ) throws(ModelFileError) {
        var base = try fields.positive(thetaKey, default: theta)
        base = try section?.positive("rope_theta", default: base) ?? base
        var rotated = headWidth
        if isPartial {
            let share = try fields.positive("partial_rotary_factor", default: 1)
            rotated = Int(min(try section?.positive("partial_rotary_factor", default: share) ?? share, 1) * Float(headWidth))
            guard rotated > 0, rotated % 2 == 0 else {
                throw fields.error("rotates \(rotated) of the \(headWidth) features of a head by partial_rotary_factor; an even number was expected")
            }
        }
        guard let section else {
            self.init(headWidth: rotated, theta: base)
            return
        }
        // Some models have it beside the section, and what stands there counts.
        var original = try section.count("original_max_position_embeddings", default: contextLength)
        original = try fields.count("original_max_position_embeddings", default: original)
        let ratio = Float(contextLength) / Float(original)
        let (scaling, amplitude) = try Scaling.read(section, original: original, contextRatio: ratio, features: rotated, theta: base)
        self.init(headWidth: rotated, theta: base, scaling: scaling, amplitude: amplitude)
    }

    /// Tokens that a model can take whose config.json says `declared`: as many as its frequencies are stretched for.
    func contextLength(_ declared: Int) -> Int {
        switch scaling {
        case .none, .linear, .llama3, .longRope: declared
        case .dynamic(let factor, let original), .yarn(let factor, let original, _, _, _):
            max(declared, Int(min(Float(original) * factor, 0x1p40)))
        }
    }
}

extension RotaryEmbedding.Scaling {
    /// The scaling, and what multiplies cosines and sines.
    ///
    /// - Parameters:
    ///   - original: the context that the model was trained on first.
    ///   - contextRatio: how many times that the context is.
    ///   - features: of a head that are rotated.
    fileprivate static func read(
        _ fields: ConfigurationFields, original: Int, contextRatio: Float, features: Int, theta: Float
    ) throws(ModelFileError) -> (scaling: Self, amplitude: Float) {
        let kind = try fields.value(fields.contains("rope_type") ? "rope_type" : "type", default: "default")
        switch kind {
        case "default": return (.none, 1)
        case "linear": return (.linear(factor: try fields.requirePositive("factor")), 1)
        case "llama3":
            let (low, high) = (try fields.requirePositive("low_freq_factor"), try fields.requirePositive("high_freq_factor"))
            guard low < high else { throw fields.error("has low_freq_factor \(low), which is not below high_freq_factor \(high)") }
            let factor = try fields.requirePositive("factor")
            return (.llama3(factor: factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext: original), 1)
        case "dynamic":
            guard features > 2 else { throw fields.error("has rope_type 'dynamic' for \(features) features of a head; more than 2 were expected") }
            let factor = try fields.requirePositive("factor")
            guard factor >= 1 else { throw fields.error("has factor \(factor) of rope_type 'dynamic'; a number from 1 was expected") }
            return (.dynamic(factor: factor, originalContext: original), 1)
        case "yarn": return try yarn(fields, original: original, contextRatio: contextRatio, theta: theta)
        case "longrope", "su": return try longRope(fields, original: original, contextRatio: contextRatio, features: features)
        default:
            throw .unsupported(
                path: fields.path, "has rope_type '\(kind)'; supported are default, linear, dynamic, yarn, longrope, llama3")
        }
    }

    private static func yarn(
        _ fields: ConfigurationFields, original: Int, contextRatio: Float, theta: Float
    ) throws(ModelFileError) -> (scaling: Self, amplitude: Float) {
        guard theta > 1 else { throw fields.error("has rope_theta \(theta); rope_type 'yarn' needs one above 1") }
        let factor = try fields.positive("factor", default: contextRatio)
        let (fast, slow) = (try fields.positive("beta_fast", default: 32), try fields.positive("beta_slow", default: 1))
        guard slow < fast else { throw fields.error("has beta_slow \(slow), which is not below beta_fast \(fast)") }
        let rounds = try fields.value("truncate", default: true)
        func amplitude(_ weight: Float) -> Float { factor <= 1 ? 1 : 0.1 * weight * logf(factor) + 1 }
        var usual = amplitude(1)
        if fields.contains("mscale"), fields.contains("mscale_all_dim") {
            let (weight, all) = (try fields.value("mscale", default: Float(1)), try fields.value("mscale_all_dim", default: Float(1)))
            if weight != 0, all != 0 { usual = amplitude(weight) / amplitude(all) }
        }
        let scaling = Self.yarn(factor: factor, originalContext: original, fastTurns: fast, slowTurns: slow, rounds: rounds)
        return (scaling, try fields.positive("attention_factor", default: usual))
    }

    private static func longRope(
        _ fields: ConfigurationFields, original: Int, contextRatio: Float, features: Int
    ) throws(ModelFileError) -> (scaling: Self, amplitude: Float) {
        func factors(_ key: String) throws(ModelFileError) -> [Float] {
            let factors = try fields.require(key, as: [Float].self)
            guard factors.count == features / 2 else {
                throw fields.error("has \(factors.count) numbers as \(key); \(features / 2) were expected, one for two features of a head")
            }
            if let wrong = factors.first(where: { !($0 > 0) || !$0.isFinite }) {
                throw fields.error("has \(wrong) in \(key); finite numbers above 0 were expected")
            }
            return factors
        }
        let scaling = Self.longRope(short: try factors("short_factor"), long: try factors("long_factor"), originalContext: original)
        let factor = try fields.positive("factor", default: contextRatio)
        let usual = factor <= 1 || original == 1 ? 1 : (1 + logf(factor) / logf(Float(original))).squareRoot()
        return (scaling, try fields.positive("attention_factor", default: usual))
    }
}
