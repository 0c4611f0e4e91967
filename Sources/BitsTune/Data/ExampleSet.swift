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
    let digest: ExampleDigest
    /// Examples that have nothing to learn, most often as their prompt alone is too long; they are left out.
    let skipped: Int

    /// Tokens that are kept: 64 MB.
    private static let keptTokens = 1 << 24

    init(_ examples: [TokenizedExample]) {
        let useful = examples.filter { $0.targetCount > 0 }
        origin = .kept(useful)
        lengths = useful.map { Int32($0.ids.count) }
        skipped = examples.count - useful.count
        digest = useful.reduce(into: ExampleDigest()) { $0.take($1) }
    }

    /// Reads all of a file once, so that nothing in it comes as a surprise hours later.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` for the first example that is broken.
    init(_ file: ExampleFile, _ encoder: ExampleEncoder, progress: (Double) -> Void) throws(ModelFileError) {
        var (places, lengths, kept): ([Int32], [Int32], [TokenizedExample]) = ([], [], [])
        var (digest, total) = (ExampleDigest(), 0)
        for index in 0..<file.count {
            let example = try file.example(index, encoder)
            progress(Double(index + 1) / Double(file.count))
            guard example.targetCount > 0 else { continue }
            places.append(Int32(index))
            lengths.append(Int32(example.ids.count))
            total += example.ids.count
            if total <= ExampleSet.keptTokens { kept.append(example) } else { kept = [] }
            digest.take(example)
        }
        origin = total <= ExampleSet.keptTokens ? .kept(kept) : .file(file, encoder, places)
        self.lengths = lengths
        self.digest = digest
        skipped = file.count - places.count
    }

    var count: Int { lengths.count }

    func example(_ index: Int) throws(ModelFileError) -> TokenizedExample {
        switch origin {
        case .kept(let examples): examples[index]
        case .file(let file, let encoder, let places): try file.example(Int(places[index]), encoder)
        }
    }
}

/// What is to be known of examples together.
struct ExampleDigest: Sendable {
    /// The smallest and the largest token; nil without any.
    private(set) var tokens: ClosedRange<Int32>?
    /// Tells these examples from others: a hash of their tokens and of what is learned (that of Fowler, Noll and Vo, a number at a time).
    private(set) var fingerprint: UInt64 = 0xcbf2_9ce4_8422_2325

    mutating func take(_ example: TokenizedExample) {
        for id in example.ids {
            tokens = min(tokens?.lowerBound ?? id, id)...max(tokens?.upperBound ?? id, id)
            mix(UInt64(UInt32(bitPattern: id)))
        }
        for run in example.learned {
            mix(UInt64(run.lowerBound))
            mix(UInt64(run.upperBound))
        }
        mix(.max)
    }

    private mutating func mix(_ number: UInt64) { fingerprint = (fingerprint ^ number) &* 0x100_0000_01b3 }
}
