/// A codebook whose nearest entries a kernel looks for, as `code_tables.cu` reads it.
struct CodeTableRequest: BitwiseCopyable, Hashable {
    /// Of the codebook, float32 [256], ascending.
    private let address: UInt64
    private let keepsSign: Int32
    private let sides: Int32

    /// - Parameters:
    ///   - keepsSign: whether a number that is not zero never gets the code of one with the other sign.
    ///   - isPositive: whether the numbers are from zero on.
    init(_ codebook: Slice, keepsSign: Bool = false, isPositive: Bool = false) {
        address = UInt64(codebook.deviceAddress)
        self.keepsSign = keepsSign ? 1 : 0
        sides = isPositive ? 1 : 2
    }
}

/// What launches know of a table that kernels look codes up in: of `CodeTable` in `codes.cuh`.
enum CodeTable {
    /// Of a codebook, and of what lies between its entries.
    private static let codeCount = 256
    /// Magnitudes that entries are for: `CODE_BUCKETS`.
    private static let bucketCount = 2946

    /// Thresholds, codebook, four marks, and entries for both signs.
    static let byteCount = 4 * (codeCount + codeCount + 4 + 2 * bucketCount)

    /// Of a codebook and of entries for both signs, or for numbers from zero on, as blocks of threads copy them to shared memory, four words at a time.
    static func sharedByteCount(isPositive: Bool) -> Int { 4 * (codeCount + ((isPositive ? 1 : 2) * bucketCount + 3) / 4 * 4) }
}

extension CUDAQueue {
    private static let codeTables = CUDAFunction("code_tables", "code_tables")

    /// Tables for the searches that `requests` ask for, one after the other.
    func codeTables(_ requests: [CodeTableRequest]) -> Slice {
        let tables = scratch(.uint8, count: requests.count * CodeTable.byteCount)
        launch(CUDAQueue.codeTables, blocks: CUDAGrid(requests.count, 4), threads: 512, upload(requests), tables)
        return tables
    }

    /// How many blocks to launch for `pieces` of work of which a block does `each` at once and then goes on: no more than `perMultiprocessor` on each.
    func blocks(for pieces: Int, each: Int = 1, perMultiprocessor: Int) -> Int {
        min((pieces + each - 1) / each, properties.multiprocessorCount * perMultiprocessor)
    }
}

extension Int {
    var isPowerOfTwo: Bool { self > 0 && self & (self - 1) == 0 }
}
