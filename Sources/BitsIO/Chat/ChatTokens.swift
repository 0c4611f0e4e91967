internal import BitsTemplate

/// A conversation as tokens, and which of them the assistant wrote.
public struct ChatTokens: Sendable, Equatable {
    public var ids: [Int32]
    /// The assistant's tokens, with those that end its turns: runs in order that do not overlap.
    public var assistant: [Range<Int>]
}

extension ChatTemplate {
    /// The tokens of a conversation; special tokens are those that the template writes.
    ///
    /// - Throws: ``ModelFileError/malformed(path:_:)`` as ``text(_:_:)``.
    public func tokens(_ messages: [ChatMessage], tokenizer: Tokenizer, _ options: Options = Options()) throws(ModelFileError) -> [Int32] {
        tokenizer.encode(try text(messages, options), addsSpecialTokens: false)
    }

    /// The tokens of a whole conversation, with those that the assistant wrote, to be learned from.
    ///
    /// They are what the template marks by `{% generation %}`. Where it marks nothing, an answer is what its turn adds to the text of the turns before it; of a
    /// template that writes earlier turns otherwise once later ones follow, that cannot be said, and it is refused.
    ///
    /// - Parameter options: whose `addsGenerationPrompt` does not count.
    /// - Throws: ``ModelFileError/malformed(path:_:)`` as ``text(_:_:)``, and when the assistant's part cannot be told.
    public func tokensWithAssistant(
        _ messages: [ChatMessage], tokenizer: Tokenizer, _ options: Options = Options()
    ) throws(ModelFileError) -> ChatTokens {
        var options = options
        options.addsGenerationPrompt = false
        let rendered = try rendered(messages, options)
        let text = Array(rendered.text.utf8)
        let ranges = marksGenerations ? rendered.generations : try assistantRanges(messages, text: text, options)
        let ids = tokenizer.encode(rendered.text, addsSpecialTokens: false)
        let alignment = TokenAlignment(of: ids, in: text, tokenizer: tokenizer)
        var runs: [Range<Int>] = []
        for range in ranges {
            let run = alignment.tokens(in: range)
            if run.isEmpty { continue }
            if let last = runs.last, run.lowerBound <= last.upperBound {
                runs[runs.count - 1] = last.lowerBound..<max(last.upperBound, run.upperBound)
            } else {
                runs.append(run)
            }
        }
        return ChatTokens(ids: ids, assistant: runs)
    }

    /// Where answers lie in the text, in bytes: from where a prompt for one ends to where its turn does.
    private func assistantRanges(_ messages: [ChatMessage], text: [UInt8], _ options: Options) throws(ModelFileError) -> [Range<Int>] {
        var prompt = options
        prompt.addsGenerationPrompt = true
        var ranges: [Range<Int>] = []
        for (index, message) in messages.enumerated() where message.role == "assistant" {
            let before = index == 0 ? [] : Array(try rendered(Array(messages[..<index]), prompt).text.utf8)
            let after = Array(try rendered(Array(messages[...index]), options).text.utf8)
            guard text.starts(with: after), after.starts(with: before) else {
                throw refusal(
                    "writes turn \(index + 1) otherwise than it does where the conversation ends there, so it cannot be told what the assistant wrote; "
                        + "train on the last turn alone, or mark answers by {% generation %} in the template")
            }
            ranges.append(before.count..<after.count)
        }
        return ranges
    }
}
