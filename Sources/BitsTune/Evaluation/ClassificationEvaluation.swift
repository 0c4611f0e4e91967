import BitsCore
public import BitsModels
import BitsNN
import BitsSystem

/// How well a classifier gives labels.
public struct ClassificationEvaluation: Sendable, Equatable {
    /// Labels that count.
    public private(set) var labels = 0
    /// Those whose score is the highest; the first of equals counts.
    public private(set) var correct = 0
    /// Sum of the negative log-likelihoods, in nats.
    private var sum = 0.0

    /// The share of the labels that the model gives.
    public var accuracy: Double { Double(correct) / Double(labels) }
    /// Mean negative log-likelihood per label, in nats.
    public var nll: Double { sum / Double(labels) }

    /// Takes in the scores of the classes for a label that counts.
    fileprivate mutating func add(_ scores: ArraySlice<Float>, label: Int) {
        let highest = scores.max() ?? 0
        let total = scores.reduce(0) { $0 + exp(Double($1) - Double(highest)) }
        sum += log(total) + Double(highest) - Double(scores[scores.startIndex + label])
        labels += 1
        if scores.firstIndex(of: highest) == scores.startIndex + label { correct += 1 }
    }
}

extension SequenceClassifier {
    /// How often the label of each sequence is the one that the model scores highest.
    ///
    /// Sequences run several to a pass, without padding, up to about `tokensPerPass`. A pass's scores are read when the pass after it has been submitted.
    ///
    /// - Parameters:
    ///   - sequences: with one label each.
    ///   - progress: called with the share of the sequences whose scores have been read.
    /// - Throws: ``BitsTune/EvaluationError`` for sequences that the model cannot take, labels that it does not have, or a model that computes NaN.
    public func evaluate(
        _ sequences: [LabeledSequence], tokensPerPass: Int = 4096, progress: (Double) -> Void = { _ in }
    ) throws(EvaluationError) -> ClassificationEvaluation {
        if let index = sequences.firstIndex(where: { $0.labels.count != 1 }) {
            throw .labelCount(sequences[index].labels.count, expected: 1, example: index)
        }
        return try evaluate(sequences, classes: head.output.outFeatures, tokensPerPass: tokensPerPass, scores: scores, progress: progress)
    }
}

extension TokenClassifier {
    /// How often the label of each token is the one that the model scores highest; see ``BitsModels/SequenceClassifier/evaluate(_:tokensPerPass:progress:)``.
    ///
    /// - Parameter sequences: with a label for each token.
    public func evaluate(
        _ sequences: [LabeledSequence], tokensPerPass: Int = 4096, progress: (Double) -> Void = { _ in }
    ) throws(EvaluationError) -> ClassificationEvaluation {
        if let index = sequences.firstIndex(where: { $0.labels.count != $0.ids.count }) {
            throw .labelCount(sequences[index].labels.count, expected: sequences[index].ids.count, example: index)
        }
        let score = { [self] (tokens: TokenBatch) in logits(tokens) }
        return try evaluate(sequences, classes: head.output.outFeatures, tokensPerPass: tokensPerPass, scores: score, progress: progress)
    }
}

extension TaskModel {
    /// - Parameter scores: of a pass, for each label that there is of it, [.., C] in float32.
    fileprivate func evaluate(
        _ sequences: [LabeledSequence], classes: Int, tokensPerPass: Int, scores: (TokenBatch) -> Tensor, progress: (Double) -> Void
    ) throws(EvaluationError) -> ClassificationEvaluation {
        try check(sequences, classes: classes)
        var evaluation = ClassificationEvaluation()
        let perPass = max(1, tokensPerPass / (sequences.map(\.ids.count).max() ?? 1))
        try forEachLoss(of: sequences.count, perPass: perPass) { pass in
            let segments = sequences.contains { $0.segments != nil } ? sequences[pass].map { $0.segments ?? $0.ids.map { _ in 0 } } : nil
            return scores(TokenBatch(packing: sequences[pass].map(\.ids), segments: segments, device: computeDevice))
        } take: { (pass, reading) throws(EvaluationError) in
            let values: [Float]
            do throws(DeviceError) { values = try reading.floats() } catch { throw .device(error) }
            guard values.allSatisfy(\.isFinite) else { throw .notANumberInExamples(pass) }
            for (row, label) in sequences[pass].flatMap(\.labels).enumerated() where label != -100 {
                evaluation.add(values[row * classes..<(row + 1) * classes], label: Int(label))
            }
            progress(Double(pass.upperBound) / Double(sequences.count))
        }
        return evaluation
    }

    /// Refuses what the model cannot take.
    private func check(_ sequences: [LabeledSequence], classes: Int) throws(EvaluationError) {
        for (index, sequence) in sequences.enumerated() {
            guard 1...contextLength ~= sequence.ids.count else { throw .lengthOutOfRange(sequence.ids.count, context: contextLength, example: index) }
            if let token = sequence.ids.first(where: { $0 < 0 || Int($0) >= vocabularySize }) {
                throw .unknownToken(token, vocabulary: vocabularySize)
            }
            if let label = sequence.labels.first(where: { $0 != -100 && !(0..<classes ~= Int($0)) }) {
                throw .unknownLabel(label, classes: classes, example: index)
            }
        }
        guard sequences.contains(where: { $0.labels.contains { $0 != -100 } }) else { throw .noLabels }
    }
}
