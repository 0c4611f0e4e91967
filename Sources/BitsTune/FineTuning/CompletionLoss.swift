public import BitsCore
public import BitsModels
import BitsNN

/// The negative log-likelihood of completions under a model.
public enum CompletionLoss {
    /// The sum over the completions' tokens, a float32 scalar, and how many tokens they have.
    public static func sum(_ batch: [CompletionTokens], model: CausalLanguageModel) -> (loss: Tensor, tokens: Int) {
        let (sum, tokens) = model.loss(batch.map(\.ids), from: batch.map(\.completionStart))
        return (sum, tokens)
    }

    /// The mean per completion token over all of `examples`. A batch's loss is read when the batch after it has been submitted.
    ///
    /// - Throws: the first error of the device.
    public static func mean(
        _ examples: [CompletionTokens], model: CausalLanguageModel, batchSize: Int = 32
    ) throws(DeviceError) -> Double {
        var (total, count) = (0.0, 0)
        try forEachLoss(of: examples.count, perPass: batchSize) {
            let (loss, tokens) = sum(Array(examples[$0]), model: model)
            count += tokens
            return loss
        } take: { (_, loss) throws(DeviceError) in
            total += Double(try loss.item())
        }
        return count == 0 ? .nan : total / Double(count)
    }
}
