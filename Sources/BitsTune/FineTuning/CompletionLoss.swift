public import BitsCore
public import BitsModels
import BitsNN

/// The negative log-likelihood of completions under a model.
public enum CompletionLoss {
    /// The sum over the completions' tokens, a float32 scalar, and how many tokens they have.
    ///
    /// The sequences run as one row without padding, and the head sees only the tokens that are predicted from.
    public static func sum(_ batch: [CompletionTokens], model: any CausalLanguageModel, computeDType: DType? = nil) -> (loss: Tensor, tokens: Int) {
        let device = model.embedding.device ?? .cpu
        var (rows, targets, start): ([Int32], [Int32], Int) = ([], [], 0)
        for sequence in batch {
            for position in sequence.completionStart..<max(sequence.completionStart, sequence.ids.count) {
                rows.append(Int32(start + position - 1))
                targets.append(sequence.ids[position])
            }
            start += sequence.ids.count
        }
        let tokens = TokenBatch(packing: batch.map(\.ids), device: device)
        let hidden = model.hiddenStates(tokens, cache: nil).reshaped(tokens.length, -1)  // [T, D]
        let head = model.head.weightMatrix()
        let loss = chunkedCrossEntropy(hidden.rows(Tensor(rows, device: device)), targets: Tensor(targets, device: device)) {
            $0.linear(head, computeDType: computeDType)
        }
        return (loss, targets.count)
    }

    /// The mean per completion token over all of `examples`.
    ///
    /// - Throws: the first error of the device.
    public static func mean(
        _ examples: [CompletionTokens], model: any CausalLanguageModel, computeDType: DType? = nil, batchSize: Int = 32
    ) throws(DeviceError) -> Double {
        var (total, count) = (0.0, 0)
        for start in stride(from: 0, to: examples.count, by: batchSize) {
            let batch = Array(examples[start..<min(start + batchSize, examples.count)])
            let (loss, tokens) = noGradient { sum(batch, model: model, computeDType: computeDType) }
            total += Double(try loss.item())
            count += tokens
        }
        return count == 0 ? .nan : total / Double(count)
    }
}
