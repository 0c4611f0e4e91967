import BitsCore
public import BitsModels
import BitsNN

extension CausalLanguageModel {
    /// The sum of the negative log-likelihood of what is learned in `batch`, a float32 scalar.
    func loss(_ batch: [TokenizedExample], pads: Bool = false) -> Tensor {
        guard pads else {
            return loss(TokenBatch(packing: batch.map(\.ids), device: computeDevice), targets: batch.flatMap(\.targets))
        }
        let length = batch.map(\.ids.count).max() ?? 0
        func filled<T>(_ row: [T], _ filler: T) -> [T] { row + [T](repeating: filler, count: length - row.count) }
        let rows = batch.map { filled($0.ids, 0) }
        let mask = batch.map { filled($0.ids.map { _ in true }, false) }
        return loss(TokenBatch(rows, mask: mask, device: computeDevice), targets: batch.flatMap { filled($0.targets, -100) })
    }

    /// The mean negative log-likelihood of what is learned in `data`, token by token. A batch's loss is read when the batch after it has been submitted.
    ///
    /// - Parameter batches: how many go through the model at a time; their order does not matter.
    /// - Throws: ``BitsTune/TrainingError`` for a token that the model does not know, a file that has changed, or what the device reports.
    public func meanLoss(of data: TrainingData, batches: BatchPlan.Size = .examples(32)) throws(TrainingError) -> Double {
        try data.check(for: self)
        var stream = BatchStream(data, BatchPlan(batches, shuffles: false), seed: 0)
        var (total, count) = (0.0, 0)
        try forEachLoss { () throws(TrainingError) -> [TokenizedExample]? in
            guard stream.position.epoch == 0 else { return nil }
            return try stream.step(of: 1)[0]
        } loss: {
            loss($0)
        } take: { (batch, loss) throws(TrainingError) in
            count += batch.reduce(0) { $0 + $1.targetCount }
            do throws(DeviceError) { total += Double(try loss.item()) } catch { throw .device(error) }
        }
        return total / Double(count)
    }
}
