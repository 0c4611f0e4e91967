public import BitsCore
import BitsNN

/// Several sequences that a model continues together, a token each at a time, all on the model's device.
///
/// What a step needs stays where it is computed: the cache and the sequences' lengths, the positions of the new tokens and what they see, the tokens
/// drawn, which are the next step's input. So ``step()`` gives the device work and waits for nothing, and every step is the same list of kernels. A
/// sequence's tokens do not depend on those beside it, but for the rounding of products of several rows; in int8, outlier columns are those of all rows.
public final class Decoder {
    private let model: CausalLanguageModel
    private let cache: KeyValueCache
    private let sampler: TokenSampler
    private let recorder: PassRecorder
    /// Whether the host takes part in a step beyond submitting it.
    private let routes: Bool
    /// The most tokens that prompts which share a pass have together.
    private let mostShared: Int

    /// - Parameters:
    ///   - seeds: one a sequence. A draw is a function of its seed and its position in the sequence.
    ///   - capacity: tokens that a sequence has at most, with its prompt.
    ///   - cacheType: type of the keys and values that are kept, that of the model's policy unless given; float32 is exact, bfloat16 and float16 take half the
    ///     memory.
    public convenience init(
        _ model: CausalLanguageModel, sampling: SamplingOptions = .greedy, seeds: [UInt64] = [0], capacity: Int, cacheType: DType? = nil
    ) {
        let cache = model.makeCache(sequences: seeds.count, capacity: capacity, dtype: cacheType)
        self.init(model, sampling: sampling, seeds: seeds, continuing: cache)
    }

    /// - Parameters:
    ///   - seeds: one a sequence of `cache`.
    ///   - cache: what the sequences have been so far, if anything; the model's, and nobody else's while this decodes.
    public init(_ model: CausalLanguageModel, sampling: SamplingOptions = .greedy, seeds: [UInt64] = [0], continuing cache: KeyValueCache) {
        precondition(seeds.count == cache.sequences, "\(seeds.count) seeds for a cache of \(cache.sequences) sequences")
        self.model = model
        self.cache = cache
        routes = !model.routers.isEmpty
        mostShared = model.backbone.cacheLayout?.lengthDependence == .length ? 0 : min(2048, model.contextLength)
        recorder = PassRecorder(on: model.computeDevice)
        sampler = TokenSampler(
            temperature: sampling.temperature, topK: sampling.topK, topP: sampling.topP, minP: sampling.minP,
            repetitionPenalty: sampling.repetitionPenalty, seeds: seeds, vocabulary: model.vocabularySize, device: model.computeDevice)
    }

    public var sequences: Int { cache.sequences }

    /// Reads the prompt of a sequence in one pass, but for its beginning that the cache holds, and draws its next token.
    public func start(_ sequence: Int, with prompt: [Int32]) { read([prompt], of: sequence..<sequence + 1) }

    /// Reads the prompts of all sequences, but for beginnings that the cache holds, and draws the next token of each.
    ///
    /// Prompts lie one after the other in the row of a pass, as many as have 2048 tokens together or fill the model's context: weights are read once for all
    /// of them, nothing is padded, and the memory is that of one long prompt. A prompt is alone in its pass where the cache holds its beginning, and all
    /// are where keys depend on how long a text is.
    public func start(with prompts: [[Int32]]) {
        precondition(prompts.count == sequences, "\(prompts.count) prompts for \(sequences) sequences")
        var first = 0
        while first < sequences {
            var (end, tokens) = (first + 1, prompts[first].count)
            while end < sequences, cache.isNew(first), cache.isNew(end), tokens + prompts[end].count <= mostShared {
                tokens += prompts[end].count
                end += 1
            }
            read(prompts[first..<end], of: first..<end)
            first = end
        }
    }

    /// Draws the next token of every sequence that has not ended, from those drawn before.
    public func step() {
        recorder.submit(at: routes ? nil : cache.place, noteRepetition: cache.noteRepeatedPass) {
            pass(TokenBatch(sampler.tokens, continuing: cache), cache: cache, sequences: 0..<sequences)
        }
    }

    /// The tokens drawn last, to be read when they are wanted: -1 for a sequence that has ended, -2 for one whose logits are no numbers.
    public func latest() -> LateReading { sampler.tokens.readLater() }

    /// Ends a sequence: further steps draw nothing for it.
    public func end(_ sequence: Int) { cache.end(sequence) }

    /// Reads the prompts of `sequences`, which are new if there is more than one, in one pass.
    private func read(_ prompts: ArraySlice<[Int32]>, of sequences: Range<Int>) {
        let (own, device) = (cache[sequences], model.computeDevice)
        for (sequence, prompt) in zip(sequences, prompts) {
            precondition(prompt.count > own.length, "a prompt of \(prompt.count) tokens for a cache that holds \(own.length) of them")
            precondition(prompt.allSatisfy { $0 >= 0 && $0 < model.vocabularySize }, "a prompt of tokens that the model does not know")
            sampler.see(prompt, sequence: sequence)
        }
        let batch =
            sequences.count > 1
            ? TokenBatch(packing: Array(prompts), beginning: own, device: device)
            : TokenBatch(prompts.flatMap { $0[own.length...] }, continuing: own, device: device)
        pass(batch, cache: own, sequences: sequences)
    }

    private func pass(_ tokens: TokenBatch, cache: KeyValueCache, sequences: Range<Int>) {
        noGradient { sampler.draw(from: model.lastLogits(tokens, cache: cache), places: tokens.places, sequences: sequences) }
    }
}
