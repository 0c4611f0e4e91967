public import BitsKernels
public import BitsQuant

/// A number that is written as one with a fraction: bitsandbytes' readers refuse `6` where they want `6.0`.
private struct DecimalNumber: ConfigurationValue {
    static let expectation = "a number with a decimal point, such as 6.0,"
    let value: Double

    init?(_ json: JSONValue) {
        guard case .number(let number) = json, number.integer == nil else { return nil }
        value = number.double
    }
}

/// The `quantization_config` of config.json, field by field: how a file says that its linear layers are quantized.
///
/// ``quantization`` is what it asks for; the fields of the other form are kept as they came. Reference: transformers' `BitsAndBytesConfig`, whose field
/// names are in the comments.
public struct BitsAndBytesConfig: Sendable, Equatable {
    /// Types that packed 4-bit codes may be stored as.
    public static let storageTypes: [DType] = [.float16, .float32, .int8, .uint8, .bfloat16]

    /// `load_in_4bit`; never true together with ``loadIn8Bit``, and nothing is quantized where neither is.
    public private(set) var loadIn4Bit = false
    /// `load_in_8bit`.
    public private(set) var loadIn8Bit = false
    /// `llm_int8_threshold`: activations of at least this magnitude are computed in 16 bits; 0 for none.
    public var outlierThreshold = 6.0
    /// `llm_int8_skip_modules`: names of modules that stay as they are; nil means the defaults (the output head), a list replaces them.
    public var skipModules: [String]?
    /// `llm_int8_enable_fp32_cpu_offload`.
    public var offloadsInFloat32 = false
    /// `llm_int8_has_fp16_weight`: the 16-bit weights are kept beside the int8 ones.
    public var keepsFloat16Weights = false
    /// `bnb_4bit_compute_dtype`: what activations are multiplied in.
    public var computeType = DType.float32
    /// `bnb_4bit_quant_type`.
    public var format = FourBitFormat.fp4
    /// `bnb_4bit_use_double_quant`: the block scales are quantized too.
    public var doubleQuantization = false
    /// `bnb_4bit_quant_storage`: what packed codes are stored as.
    public var storageType = DType.uint8

    /// The defaults, which quantize nothing.
    public init() {}

    /// The settings that ask for `quantization`. A block size has no field: it is read off the weights.
    ///
    /// - Parameter skipModules: see ``skipModules``.
    public init(_ quantization: Quantization?, skipModules: [String]? = nil) {
        self.skipModules = skipModules
        switch quantization {
        case .fourBit(let format, _, let doubleQuantization, let storage, let computeDType):
            loadIn4Bit = true
            (self.format, self.doubleQuantization, storageType) = (format, doubleQuantization, storage)
            computeType = computeDType ?? .float32
        case .int8(let outlierThreshold, let keepsFloat16Weights):
            loadIn8Bit = true
            // As it reads in decimal: 0.1, not the float nearest to it.
            self.outlierThreshold = Double(outlierThreshold.description) ?? Double(outlierThreshold)
            self.keepsFloat16Weights = keepsFloat16Weights
        case nil: break
        }
    }

    /// What linear layers become; nil when nothing is quantized.
    public var quantization: Quantization? {
        if loadIn4Bit { return .fourBit(format, doubleQuantization: doubleQuantization, storage: storageType, computeDType: computeType) }
        if loadIn8Bit { return .int8(outlierThreshold: Float(outlierThreshold), keepsFloat16Weights: keepsFloat16Weights) }
        return nil
    }

    /// `llm_int8`, `fp4`, `nf4`; nil when nothing is quantized.
    public var method: String? {
        loadIn4Bit ? format.rawValue : loadIn8Bit ? "llm_int8" : nil
    }

    /// Reads the section; fields that it does not know are ignored, absent ones have their defaults.
    ///
    /// - Throws: ``ModelFileError/unsupported(path:_:)`` for another quantization method, format or type, ``ModelFileError/malformed(path:_:)`` when
    ///   a field has the wrong type (the threshold is written with a decimal point), the threshold is negative, or both 8 and 4 bits are asked for.
    public init(_ fields: ConfigurationFields) throws(ModelFileError) {
        let method = try fields.value("quant_method", default: "bitsandbytes")
        guard method == "bitsandbytes" else {
            throw .unsupported(path: fields.path, "is quantized by '\(method)'; only bitsandbytes is read, so load the model's unquantized version")
        }
        // Older files have the two only with an underscore.
        let inInt8 = try fields.value("load_in_8bit", default: try fields.value("_load_in_8bit", default: false))
        let inFourBit = try fields.value("load_in_4bit", default: try fields.value("_load_in_4bit", default: false))
        guard !(inInt8 && inFourBit) else { throw fields.error("has load_in_8bit and load_in_4bit both true; choose one") }
        (loadIn4Bit, loadIn8Bit) = (inFourBit, inInt8)
        outlierThreshold = try fields.optional("llm_int8_threshold", as: DecimalNumber.self)?.value ?? outlierThreshold
        guard outlierThreshold >= 0, outlierThreshold.isFinite else {
            throw fields.error("has llm_int8_threshold \(outlierThreshold); a number from 0 was expected")
        }
        skipModules = try fields.optional("llm_int8_skip_modules")
        offloadsInFloat32 = try fields.value("llm_int8_enable_fp32_cpu_offload", default: false)
        keepsFloat16Weights = try fields.value("llm_int8_has_fp16_weight", default: false)
        doubleQuantization = try fields.value("bnb_4bit_use_double_quant", default: false)
        let format = try fields.value("bnb_4bit_quant_type", default: format.rawValue)
        guard let format = FourBitFormat(rawValue: format) else {
            throw .unsupported(path: fields.path, "has bnb_4bit_quant_type '\(format)'; one of fp4, nf4 was expected")
        }
        self.format = format
        computeType = try BitsAndBytesConfig.type(fields, "bnb_4bit_compute_dtype", of: DType.allCases.filter(\.isFloatingPoint)) ?? computeType
        storageType = try BitsAndBytesConfig.type(fields, "bnb_4bit_quant_storage", of: BitsAndBytesConfig.storageTypes) ?? storageType
    }

    private static func type(_ fields: ConfigurationFields, _ key: String, of allowed: [DType]) throws(ModelFileError) -> DType? {
        guard let name = try fields.optional(key, as: String.self) else { return nil }
        // Very old files carry PyTorch's prefix.
        guard let dtype = allowed.first(where: { $0.rawValue == name || "torch.\($0.rawValue)" == name }) else {
            throw .unsupported(
                path: fields.path, "has \(key) '\(name)'; one of \(allowed.map(\.rawValue).joined(separator: ", ")) was expected")
        }
        return dtype
    }

    /// The section as transformers writes it: all fields, in order.
    public var json: JSONValue {
        [
            "_load_in_4bit": .bool(loadIn4Bit),
            "_load_in_8bit": .bool(loadIn8Bit),
            "bnb_4bit_compute_dtype": .string(computeType.rawValue),
            "bnb_4bit_quant_storage": .string(storageType.rawValue),
            "bnb_4bit_quant_type": .string(format.rawValue),
            "bnb_4bit_use_double_quant": .bool(doubleQuantization),
            "llm_int8_enable_fp32_cpu_offload": .bool(offloadsInFloat32),
            "llm_int8_has_fp16_weight": .bool(keepsFloat16Weights),
            "llm_int8_skip_modules": skipModules.map { .array($0.map { .string($0) }) } ?? .null,
            "llm_int8_threshold": .number(JSONNumber(outlierThreshold)),
            "load_in_4bit": .bool(loadIn4Bit),
            "load_in_8bit": .bool(loadIn8Bit),
            "quant_method": "bitsandbytes",
        ]
    }
}
