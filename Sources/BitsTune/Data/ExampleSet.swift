import BitsIO

/// The examples of one origin in tokens: kept where they are few, else tokenized again whenever they are read.
struct ExampleSet: Sendable {
    private enum Origin: Sendable {
        case kept([TokenizedExample])
        /// The examples of the file at these places.
        case file(ExampleFile, ExampleEncoder, [Int32])
    }

    private let origin: Origin
    /// Tokens of each.
    let lengths: [Int32]
    /// The smallest and the largest token there is; nil without any.
    private(set) var tokens: ClosedRange<Int32>?
    /// Examples that have nothing to learn, most often as their prompt alone is too long; they are left out.
    let skipped: Int

    /// Tokens that are kept: 64 MB.
    private static let keptTokens = 1 << 24

    init(_ examples: [TokenizedExample]) {
        let useful = examples.filter { $0.targetCount > 0 }
        origin = .kept(useful)
        lengths = useful.map { Int32($0.ids.count) }
        skipped = examples.count - useful.count
        for example in useful { note(example) }
    }

    /// Reads all of a file once, so that nothing in it comes as a surprise hours later.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` for the first example that is broken.
    init(_ file: ExampleFile, _ encoder: ExampleEncoder, progress: (Double) -> Void) throws(ModelFileError) {
        var (places, lengths, kept): ([Int32], [Int32], [TokenizedExample]) = ([], [], [])
        var (tokens, total) = (ClosedRange<Int32>?.none, 0)
        for index in 0..<file.count {
            let example = encoder.tokens(of: try file.example(index))
            progress(Double(index + 1) / Double(file.count))
            guard example.targetCount > 0 else { continue }
            places.append(Int32(index))
            lengths.append(Int32(example.ids.count))
            total += example.ids.count
            if total <= ExampleSet.keptTokens { kept.append(example) } else { kept = [] }
            tokens = tokens.including(example)
        }
        origin = total <= ExampleSet.keptTokens ? .kept(kept) : .file(file, encoder, places)
        self.lengths = lengths
        self.tokens = tokens
        skipped = file.count - places.count
    }

    var count: Int { lengths.count }

    func example(_ index: Int) throws(ModelFileError) -> TokenizedExample {
        switch origin {
        case .kept(let examples): examples[index]
        case .file(let file, let encoder, let places): encoder.tokens(of: try file.example(Int(places[index])))
        }
    }

    private mutating func note(_ example: TokenizedExample) { tokens = tokens.including(example) }
}

extension ClosedRange<Int32>? {
    fileprivate func including(_ example: TokenizedExample) -> ClosedRange<Int32>? {
        guard let least = example.ids.min(), let most = example.ids.max() else { return self }
        return Swift.min(self?.lowerBound ?? least, least)...Swift.max(self?.upperBound ?? most, most)
    }
}
