/// Whose tokenizer a vocabulary belongs to, where no tokenizer.json says how it is used.
enum TokenizerFamily: Sendable {
    /// What is used as its model of SentencePiece says.
    case sentencePiece
    case llama
    case gemma
    case t5
    case xlmRoberta
    case debertaV2
    case bert
    case gpt2
    case roberta
    case qwen2

    /// Families by the `tokenizer_class` of their tokenizer_config.json, `Fast` left out.
    private static let byClass: [String: TokenizerFamily] = [
        "LlamaTokenizer": .llama, "CodeLlamaTokenizer": .llama, "GemmaTokenizer": .gemma, "T5Tokenizer": .t5,
        "XLMRobertaTokenizer": .xlmRoberta, "DebertaV2Tokenizer": .debertaV2, "BertTokenizer": .bert, "DistilBertTokenizer": .bert,
        "ElectraTokenizer": .bert, "GPT2Tokenizer": .gpt2, "RobertaTokenizer": .roberta, "Qwen2Tokenizer": .qwen2,
    ]
    /// Families by the `model_type` of config.json.
    private static let byModel: [String: TokenizerFamily] = [
        "gemma": .gemma, "gemma2": .gemma, "gemma3": .gemma, "gemma3_text": .gemma, "t5": .t5, "mt5": .t5, "umt5": .t5, "xlm-roberta": .xlmRoberta,
        "deberta-v2": .debertaV2, "bert": .bert, "distilbert": .bert, "electra": .bert,
        "gpt2": .gpt2, "opt": .gpt2, "roberta": .roberta, "qwen2": .qwen2, "qwen2_moe": .qwen2, "qwen3": .qwen2, "qwen3_moe": .qwen2, "qwen": .qwen2,
    ]
    /// Classes whose vocabularies are laid out in ways of their own.
    private static let unread: Set = [
        "AlbertTokenizer", "BarthezTokenizer", "BigBirdTokenizer", "CamembertTokenizer", "MBartTokenizer", "MBart50Tokenizer", "NllbTokenizer",
        "PegasusTokenizer", "ReformerTokenizer", "RemBertTokenizer", "SeamlessM4TTokenizer", "XGLMTokenizer", "XLNetTokenizer",
    ]

    private static func withoutFast(_ name: String) -> String { name.hasSuffix("Fast") ? String(name.dropLast(4)) : name }

    /// Whether a class is known to need more than is read here.
    static func isUnread(_ className: String) -> Bool { unread.contains(withoutFast(className)) }

    /// The family of a class, or else of a type of model; nil where neither is known.
    init?(className: String?, modelType: String?) {
        let ofClass = className.flatMap { TokenizerFamily.byClass[TokenizerFamily.withoutFast($0)] }
        guard let family = ofClass ?? modelType.flatMap({ TokenizerFamily.byModel[$0] }) else { return nil }
        self = family
    }

    /// What special tokens are called where nothing else is said.
    var defaultNames: [String: String] {
        switch self {
        case .sentencePiece: [:]
        case .llama: ["bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"]
        case .gemma: ["bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"]
        case .t5: ["eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"]
        case .xlmRoberta, .roberta:
            [
                "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>", "unk_token": "<unk>", "pad_token": "<pad>",
                "mask_token": "<mask>",
            ]
        case .debertaV2, .bert:
            ["cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]", "pad_token": "[PAD]", "mask_token": "[MASK]"]
        case .gpt2: ["bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"]
        case .qwen2: ["eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"]
        }
    }
}
