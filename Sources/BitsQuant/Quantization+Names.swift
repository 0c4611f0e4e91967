extension Quantization {
    /// The forms that people ask for by name; another block size or threshold has none of its own.
    package static let named: KeyValuePairs<String, Quantization> = [
        "nf4": .fourBit(.nf4, doubleQuantization: false), "nf4-dq": .fourBit(.nf4), "fp4": .fourBit(.fp4, doubleQuantization: false),
        "fp4-dq": .fourBit(.fp4), "int8": .int8(),
    ]

    /// The form called `name`: `nf4`, `nf4-dq`, `fp4`, `fp4-dq` or `int8`; nil for another name.
    package init?(named name: String) {
        guard let found = Quantization.named.first(where: { $0.key == name }) else { return nil }
        self = found.value
    }

    /// What it is called whatever its block size: ``formatName``, with `-dq` behind it where scales are quantized too.
    public var name: String {
        if case .fourBit(let format, _, true, _, _) = self { "\(format.rawValue)-dq" } else { formatName }
    }

    /// Weights per scale; nil where each row has one.
    public var blockSize: BlockSize? {
        if case .fourBit(_, let blockSize, _, _, _) = self { blockSize } else { nil }
    }

    /// All forms that a frozen weight can take: NF4 and FP4 in blocks of each of `blockSizes`, with their scales in 32 bits and in 8, and int8.
    public static func forms(blockSizes: [BlockSize]) -> [Quantization] {
        let fourBit = FourBitFormat.allCases.flatMap { format in
            blockSizes.flatMap { size in [false, true].map { Quantization.fourBit(format, blockSize: size, doubleQuantization: $0) } }
        }
        return fourBit + [.int8()]
    }
}
