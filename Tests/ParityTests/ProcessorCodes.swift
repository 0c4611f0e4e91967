import BitsCore
import BitsQuant

/// The 8-bit codes of bitsandbytes on the processor: looked up in a table of 65536 steps, so coarser than the nearest ones near zero.
///
/// Here codes are the nearest, as on CUDA. To hold answers of the processor against an optimizer's arithmetic, its moments take this detour.
struct ProcessorCodes {
    private let values: [Float]
    private let table: [Int]

    init(_ codebook: Codebook) {
        let values = codebook.values
        let middles = zip(values, values.dropFirst()).map { 0.5 * ($0 + $1) }
        self.values = values
        table = (0...65535).map { step in
            let value = -1 + Float(2 * step) / 65535
            return middles.count { $0 < value }
        }
    }

    /// What `moments` are after they were stored in blocks of 256.
    func stored(_ moments: [Float]) -> [Float] {
        stride(from: 0, to: moments.count, by: 256).flatMap { start -> [Float] in
            let block = moments[start..<min(start + 256, moments.count)]
            let absmax = block.reduce(0) { max($0, abs($1)) }
            if absmax == 0 { return [Float](repeating: 0, count: block.count) }
            let inverse = 1 / absmax
            return block.map { moment in
                let place = (min(max(moment * inverse, -1), 1) + 1) * 0.5 * 65535 + 0.5
                return values[table[Int(place)]] * absmax
            }
        }
    }
}
