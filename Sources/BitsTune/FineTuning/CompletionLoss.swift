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

    /// The mean per completion token over all of `examples`.
    ///
    /// - Throws: the first error of the device.
    public static func mean(
        _ examples: [CompletionTokens], model: CausalLanguageModel, batchSize: Int = 32
    ) throws(DeviceError) -> Double {
        var (total, count) = (0.0, 0)
        for start in stride(from: 0, to: examples.count, by: batchSize) {
            let batch = Array(examples[start..<min(start + batchSize, examples.count)])
            let (loss, tokens) = noGradient { sum(batch, model: model) }
            total += Double(try loss.item())
            count += tokens
        }
        return count == 0 ? .nan : total / Double(count)
    }
}
