/// Puts text together from tokens, one at a time.
struct TextAssembler: Sendable {
    private var steps: [DecodingStep] = []
    /// Text that is settled and not taken yet.
    private var settled: [UInt8] = []

    /// - Parameter isEager: complete characters are given out at once; else a run of byte tokens is judged as a whole, as tokenizers do: if it is
    ///   not UTF-8, each byte becomes U+FFFD.
    init(_ decoder: TokenDecoder, isEager: Bool) {
        var isFused = false
        for (index, step) in decoder.steps.enumerated() {
            // Characters of a run can go out one by one only where nobody counts the tokens that they are.
            let joins = step.isFusing || index + 1 == decoder.steps.count || decoder.steps[index + 1].isFusing
            steps.append(DecodingStep(step, isFused: isFused, isEager: isEager && joins))
            isFused = isFused || step.isFusing
        }
    }

    /// Adds a token's text as it stands in the vocabulary.
    mutating func append(_ token: Span<UInt8>) {
        guard !steps.isEmpty else { return settled.append(token) }
        pass(steps[0].append(token), to: 1)
    }

    /// Takes the text that is settled.
    mutating func take() -> String {
        defer { settled.removeAll(keepingCapacity: true) }
        return String(decoding: settled, as: UTF8.self)
    }

    /// Takes all text that is left.
    mutating func finish() -> String {
        for index in steps.indices { pass(steps[index].finish(), to: index + 1) }
        return take()
    }

    private mutating func pass(_ tokens: [[UInt8]], to index: Int) {
        for token in tokens {
            if index < steps.count {
                pass(steps[index].append(token.span), to: index + 1)
            } else {
                settled += token
            }
        }
    }
}

extension Array where Element == UInt8 {
    init(_ span: Span<UInt8>) {
        self.init()
        reserveCapacity(span.count)
        append(span)
    }

    mutating func append(_ span: Span<UInt8>) {
        for index in span.indices { append(span[index]) }
    }
}
