/// A model's `generation_config.json`: how it is meant to be sampled from.
///
/// Fields that are not read here survive when the file is written again.
public struct GenerationConfiguration: Sendable, Equatable {
    public var fields: ConfigurationFields
    /// `bos_token_id`.
    public var beginToken: Int32?
    /// `eos_token_id`, one or several: generation stops at any of them.
    public var endTokens: [Int32] = []
    /// `pad_token_id`.
    public var padToken: Int32?
    /// `do_sample`: draw at random; else always the likeliest token.
    public var samples = false
    /// From 0, which is greedy.
    public var temperature: Float = 1
    /// `top_k`: the number of likeliest tokens that are drawn from; 0 for all.
    public var topK = 50
    /// `top_p`: tokens are taken from the likeliest down until their probability reaches this; in (0, 1].
    public var topP: Float = 1
    /// `min_p`: tokens that are less likely than this share of the likeliest are left out; in [0, 1].
    public var minP: Float = 0
    /// `repetition_penalty`: above 0; 1 does nothing.
    public var repetitionPenalty: Float = 1
    /// `max_new_tokens`.
    public var maximumNewTokens: Int?

    /// The defaults.
    public init() { fields = ConfigurationFields(JSONObject(), path: "generation_config.json") }

    /// Reads `generation_config.json`; where it is absent, the token ids of `config.json` and the defaults.
    ///
    /// - Throws: ``ModelFileError/malformed(path:_:)`` when a field has another type or is out of range.
    public init(_ folder: ModelFolder) throws(ModelFileError) {
        if let file = try folder.fileIfPresent("generation_config.json") {
            try self.init(ConfigurationFields(file))
        } else {
            var object = JSONObject()
            let model = try ConfigurationFields(folder.file("config.json"))
            for key in ["bos_token_id", "eos_token_id", "pad_token_id"] { object[key] = model.object[key] }
            try self.init(ConfigurationFields(object, path: model.path))
        }
    }

    public init(_ fields: ConfigurationFields) throws(ModelFileError) {
        self.fields = fields
        beginToken = try fields.optional("bos_token_id")
        padToken = try fields.optional("pad_token_id")
        if case .array = fields.object["eos_token_id"] {
            endTokens = try fields.require("eos_token_id")
        } else {
            endTokens = try fields.optional("eos_token_id", as: Int32.self).map { [$0] } ?? []
        }
        samples = try fields.value("do_sample", default: samples)
        temperature = try fields.value("temperature", default: temperature)
        topK = try fields.value("top_k", default: topK)
        topP = try fields.value("top_p", default: topP)
        minP = try fields.value("min_p", default: minP)
        repetitionPenalty = try fields.value("repetition_penalty", default: repetitionPenalty)
        maximumNewTokens = try fields.optional("max_new_tokens")
        guard temperature >= 0, temperature.isFinite, topK >= 0, topP > 0, topP <= 1, minP >= 0, minP <= 1, repetitionPenalty > 0,
            repetitionPenalty.isFinite,
            maximumNewTokens ?? 1 > 0
        else {
            throw fields.error(
                "has a value out of range; temperature and top_k from 0, top_p in (0, 1], min_p in [0, 1], repetition_penalty and max_new_tokens above 0 were expected"
            )
        }
    }
}
