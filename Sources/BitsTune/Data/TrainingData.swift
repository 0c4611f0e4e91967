public import BitsIO
public import BitsModels

/// What a model learns from, or is measured by: examples of one or several origins, each with a weight.
///
/// An epoch takes as many examples of an origin as it has, times its weight: with 2 each comes twice, with 0.5 one half comes in one epoch and the other half in
/// the next.
public struct TrainingData: Sendable {
    let sets: [ExampleSet]
    /// How many examples of each set an epoch takes.
    let shares: [Int]
    /// Examples that were left out, as nothing in them is learned.
    public let skipped: Int

    /// Examples in tokens.
    ///
    /// - Throws: ``TrainingError/nothingToLearn(examples:)``.
    public init(_ examples: [TokenizedExample]) throws(TrainingError) {
        try self.init([(ExampleSet(examples), 1)])
    }

    /// Reads files, each with its weight: all of it once, to check it and to know how long its examples are. Afterwards they are read as they are needed, and
    /// kept only where they are few.
    ///
    /// - Parameters:
    ///   - files: weights are above 0, at most 1000.
    ///   - progress: called with the share that has been read.
    /// - Throws: ``TrainingError/file(_:)`` for an example that is broken, which is named by file and line; ``TrainingError/nothingToLearn(examples:)``.
    public init(
        _ files: [(file: ExampleFile, weight: Double)], _ encoder: ExampleEncoder, progress: (Double) -> Void = { _ in }
    ) throws(TrainingError) {
        let total = files.reduce(0) { $0 + $1.file.count }
        var (sets, done): ([(ExampleSet, Double)], Int) = ([], 0)
        for (file, weight) in files {
            precondition(weight > 0 && weight <= 1000, "a weight of \(weight) for \(file.path)")
            do throws(ModelFileError) {
                sets.append((try ExampleSet(file, encoder) { progress((Double(done) + $0 * Double(file.count)) / Double(total)) }, weight))
            } catch { throw .file(error) }
            done += file.count
        }
        try self.init(sets)
    }

    /// Reads one file as `loaded` is to learn it.
    ///
    /// - Throws: as ``init(_:_:progress:)``.
    public init(_ path: String, for loaded: LoadedModel, tokenizer: Tokenizer) throws(TrainingError) {
        let file: ExampleFile
        do throws(ModelFileError) { file = try ExampleFile(path: path) } catch { throw .file(error) }
        try self.init([(file, 1)], ExampleEncoder(for: loaded, tokenizer: tokenizer))
    }

    private init(_ sets: [(set: ExampleSet, weight: Double)]) throws(TrainingError) {
        let skipped = sets.reduce(0) { $0 + $1.set.skipped }
        let useful = sets.filter { $0.set.count > 0 }
        guard !useful.isEmpty else { throw .nothingToLearn(examples: skipped) }
        self.sets = useful.map(\.set)
        self.skipped = skipped
        shares = useful.map { max(1, Int((Double($0.set.count) * $0.weight).rounded())) }
    }

    /// Examples of an epoch.
    public var count: Int { shares.reduce(0, +) }

    /// Refuses tokens that `model` has no vectors for.
    ///
    /// - Throws: ``TrainingError/unknownToken(_:vocabulary:)``.
    func check(for model: TaskModel) throws(TrainingError) {
        let vocabulary = model.vocabularySize
        for tokens in sets.compactMap(\.digest.tokens) {
            if tokens.lowerBound < 0 { throw .unknownToken(tokens.lowerBound, vocabulary: vocabulary) }
            if tokens.upperBound >= vocabulary { throw .unknownToken(tokens.upperBound, vocabulary: vocabulary) }
        }
    }

    /// Tells this data from other data.
    var fingerprint: String {
        zip(sets, shares).map { "\(String($0.digest.fingerprint, radix: 16)) x \($1)" }.joined(separator: ", ")
    }

    func example(_ place: ExamplePlace) throws(TrainingError) -> TokenizedExample {
        do throws(ModelFileError) { return try sets[place.set].example(place.index) } catch { throw .file(error) }
    }
}

/// Where an example is: in which set, and where there.
struct ExamplePlace: Sendable, Equatable {
    var set: Int
    var index: Int
}
