/// How texts that are too long are cut: the `truncation` of tokenizer.json.
///
/// A file may have one; it is offered (``Tokenizer/truncation``) and applied only where it is asked for.
public struct TruncationRule: Sendable, Equatable {
    /// Which text of a pair loses tokens.
    public enum Strategy: String, Sendable {
        /// The longer one first.
        case longestFirst = "LongestFirst"
        case onlyFirst = "OnlyFirst"
        case onlySecond = "OnlySecond"
    }

    /// The most tokens, those of the template included.
    public var maximumLength: Int
    public var strategy: Strategy
    /// Whether tokens go from the end; else from the beginning.
    public var cutsEnd: Bool

    /// - Parameter maximumLength: from 0.
    public init(maximumLength: Int, strategy: Strategy = .longestFirst, cutsEnd: Bool = true) {
        precondition(maximumLength >= 0, "a length of at least 0 was expected; it is \(maximumLength)")
        self.maximumLength = maximumLength
        self.strategy = strategy
        self.cutsEnd = cutsEnd
    }

    init(_ fields: ConfigurationFields) throws(ModelFileError) {
        let strategy = try fields.value("strategy", default: Strategy.longestFirst.rawValue)
        guard let strategy = Strategy(rawValue: strategy) else {
            throw fields.error("has the truncation strategy '\(strategy)'; one of LongestFirst, OnlyFirst, OnlySecond was expected")
        }
        let length = try fields.require("max_length", as: Int.self)
        guard length >= 0 else { throw fields.error("has the truncation length \(length); at least 0 was expected") }
        self.init(maximumLength: length, strategy: strategy, cutsEnd: try fields.isRight("truncation"))
    }

    /// Cuts `texts`, one or two, so that with `addedCount` tokens around they keep to the length.
    ///
    /// What the strategy forbids to cut stays, so the length may be exceeded: where the one text that may lose tokens has none left.
    func apply(_ texts: [[Int32]], addedCount: Int) -> [[Int32]] {
        let limit = max(0, maximumLength - addedCount)
        let total = texts.reduce(0) { $0 + $1.count }
        guard total > limit else { return texts }
        if texts.count == 1 || limit == 0 {
            return strategy == .onlySecond && limit > 0 ? texts : texts.map { cut($0, to: limit) }
        }
        var lengths = texts.map(\.count)
        switch strategy {
        case .longestFirst:
            let short = lengths[0] <= lengths[1] ? 0 : 1
            lengths[1 - short] = max(lengths[short], limit - lengths[short])
            if lengths[0] + lengths[1] > limit {
                lengths[short] = limit / 2
                lengths[1 - short] = limit - limit / 2
            }
        case .onlyFirst: lengths[0] = max(0, lengths[0] - (total - limit))
        case .onlySecond: lengths[1] = max(0, lengths[1] - (total - limit))
        }
        return zip(texts, lengths).map { cut($0, to: $1) }
    }

    private func cut(_ tokens: [Int32], to length: Int) -> [Int32] { Array(cutsEnd ? tokens.prefix(length) : tokens.suffix(length)) }
}

extension ConfigurationFields {
    /// Whether the `direction` of truncation or padding is the right side.
    func isRight(_ what: String) throws(ModelFileError) -> Bool {
        let direction = try value("direction", default: "Right")
        guard direction == "Right" || direction == "Left" else {
            throw error("has the \(what) direction '\(direction)'; Left or Right was expected")
        }
        return direction == "Right"
    }
}
