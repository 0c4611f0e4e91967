/// The batches of a run one after the other, from any position on. No batch, and no step of several, goes beyond the end of an epoch.
struct BatchStream: Sendable {
    let data: TrainingData
    let plan: BatchPlan
    let seed: UInt64
    /// Of the next example.
    private(set) var position: DataPosition
    private var order: EpochOrder

    init(_ data: TrainingData, _ plan: BatchPlan, seed: UInt64, from position: DataPosition = DataPosition()) {
        (self.data, self.plan, self.seed, self.position) = (data, plan, seed, position)
        order = BatchStream.order(data, plan, seed: seed, epoch: position.epoch)
    }

    private static func order(_ data: TrainingData, _ plan: BatchPlan, seed: UInt64, epoch: Int) -> EpochOrder {
        let window: Int? =
            switch plan.size {
            case .examples(let count): 64 * count
            // As many examples as 64 batches have on average.
            case .tokens(let count): max(1, 64 * count * data.count / max(1, data.tokenCount))
            }
        return EpochOrder(data, epoch: epoch, seed: plan.shuffles ? seed : nil, sortedWithin: plan.groupsByLength ? window : nil)
    }

    /// The batches of the next step, at most `count`.
    mutating func step(of count: Int) throws(TrainingError) -> [[TokenizedExample]] {
        var batches: [[TokenizedExample]] = []
        for places in nextStep(of: count) {
            var batch: [TokenizedExample] = []
            for place in places { batch.append(try data.example(place)) }
            batches.append(batch)
        }
        return batches
    }

    /// The steps of an epoch, of at most `count` batches each.
    static func stepCount(ofEpoch epoch: Int, _ data: TrainingData, _ plan: BatchPlan, seed: UInt64, batches count: Int) -> Int {
        if case .examples(let size) = plan.size { return (data.count + size * count - 1) / (size * count) }
        var stream = BatchStream(data, plan, seed: seed, from: DataPosition(epoch: epoch))
        var steps = 0
        while stream.position.epoch == epoch {
            _ = stream.nextStep(of: count)
            steps += 1
        }
        return steps
    }

    private mutating func nextStep(of count: Int) -> [[ExamplePlace]] {
        var batches: [[ExamplePlace]] = []
        while batches.count < count, position.example < data.count { batches.append(nextBatch()) }
        if position.example == data.count {
            position = DataPosition(epoch: position.epoch + 1)
            order = BatchStream.order(data, plan, seed: seed, epoch: position.epoch)
        }
        return batches
    }

    private mutating func nextBatch() -> [ExamplePlace] {
        var (batch, tokens): ([ExamplePlace], Int) = ([], 0)
        while position.example < data.count {
            let place = order[position.example]
            switch plan.size {
            case .examples(let limit): if batch.count == limit { return batch }
            case .tokens(let limit):
                tokens += order.length(of: place)
                if tokens > limit, !batch.isEmpty { return batch }
            }
            batch.append(place)
            position.example += 1
        }
        return batch
    }
}

extension TrainingData {
    /// Tokens of an epoch, on average.
    var tokenCount: Int {
        zip(sets, shares).reduce(0) { $0 + Int(Double($1.0.lengths.reduce(0) { $0 + Int($1) }) * Double($1.1) / Double($1.0.count)) }
    }
}
