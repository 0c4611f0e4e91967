package import BitsKernels

/// Draws the next tokens of several sequences where their logits are. What was drawn last stays there too, as the next pass's input.
package final class TokenSampler {
    /// The latest tokens, int32 [B, 1]: -1 for a sequence that has ended, -2 for one whose logits are no numbers.
    package let tokens: Tensor
    private let rule: SamplingRule
    /// int64 [B]
    private let seeds: Tensor
    /// uint8 [B, V]: 1 for the tokens of the prompt and those drawn; nil where nothing depends on it.
    private let seen: Tensor?

    /// - Parameter seeds: one a sequence.
    package init(
        temperature: Float, topK: Int, topP: Float, minP: Float, repetitionPenalty: Float, seeds: [UInt64], vocabulary: Int, device: Device
    ) {
        rule = SamplingRule(temperature: temperature, topK: topK, topP: topP, minP: minP, repetitionPenalty: repetitionPenalty)
        self.seeds = Tensor(device.upload(seeds, as: .int64), shape: [seeds.count])
        tokens = Tensor([Int32](repeating: SampleTokens.none, count: seeds.count), shape: [seeds.count, 1], device: device)
        seen = repetitionPenalty == 1 ? nil : Tensor.zeros([seeds.count, vocabulary], dtype: .uint8, device: device)
    }

    /// Counts `prompt` as seen by `sequence`.
    package func see(_ prompt: [Int32], sequence: Int) {
        guard let seen else { return }
        var marks = [UInt8](repeating: 0, count: seen.shape[1])
        for token in prompt { marks[Int(token)] = 1 }
        let row = Tensor(marks, shape: [1, marks.count], device: seen.device)
        seen.device.run(StridedCopy(from: row.strided, to: seen.narrowed(axis: 0, to: sequence..<sequence + 1).strided))
    }

    /// Draws a token for each of `sequences` from logits [.., V] of their last tokens in `places`.
    package func draw(from logits: Tensor, places: TokenPlaces, sequences: Range<Int>) {
        logits.device.run(
            SampleTokens(
                logits.elements, positions: places.lastPositions.elements, rule: rule,
                seeds: seeds.narrowed(axis: 0, to: sequences).elements, seen: seen?.narrowed(axis: 0, to: sequences).elements,
                into: tokens.narrowed(axis: 0, to: sequences).elements))
    }
}
