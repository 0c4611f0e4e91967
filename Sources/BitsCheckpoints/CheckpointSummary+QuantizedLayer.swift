public import BitsCore
public import BitsIO
import BitsQuant

extension CheckpointSummary {
    /// A layer whose weight is quantized, as its entries describe it.
    public struct QuantizedLayer: Sendable {
        public let path: String
        /// Whether it is an embedding, as far as the model's family is known.
        public let isEmbedding: Bool
        /// `nf4`, `fp4`, `int8`.
        public let format: String
        /// Of the weight that was quantized.
        public let shape: [Int]
        /// The type that was quantized; nil where the checkpoint does not say.
        public let dtype: DType?
        /// What the codes are stored as.
        public let storage: DType
        /// Weights per scale; nil where each row has one.
        public let blockSize: Int?
        /// Scales per block, where the scales are quantized too.
        public let nestedBlockSize: Int?
        /// All entries of the weight, the codes first.
        public let entries: [SafetensorsEntry]

        /// Codes, scales and their description together.
        public var byteCount: Int { entries.reduce(0) { $0 + $1.byteCount } }
        public var bitsPerWeight: Double { 8 * Double(byteCount) / Double(max(1, shape.reduce(1, *))) }

        init(_ path: String, _ weight: any QuantizedTensor, isEmbedding: Bool, entries: [SafetensorsEntry]) {
            self.path = path
            self.isEmbedding = isEmbedding
            self.entries = entries
            format = weight.formatName
            shape = weight.shape
            let fourBit = weight as? FourBitTensor
            dtype = fourBit?.dtype
            storage = fourBit?.packed.dtype ?? .int8
            blockSize = fourBit?.state.blockSize.count
            nestedBlockSize = fourBit?.state.nestedBlockSize
        }
    }
}

extension QuantState {
    fileprivate var nestedBlockSize: Int? {
        if case .doublyQuantized(let scales) = scales { scales.blockSize.count } else { nil }
    }
}
