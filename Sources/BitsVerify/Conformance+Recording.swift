import BitsKernels

// Shapes: M = tokens, D = width, N = query heads, G = key and value heads, H = head width, F = inner width.

extension ConformanceCase {
    /// What a decoder's block submits for a token of each sequence, which devices may join in fewer launches.
    static var recordings: [ConformanceCase] {
        [
            (DType.bfloat16, 1, 512, true, 6), (.bfloat16, 5, 512, true, 600), (.float16, 1, 1280, false, 600), (.float32, 5, 512, true, 6),
            (.bfloat16, 12, 512, true, 6),
        ].map {
            dtype, sequences, width, nested, capacity in
            ConformanceCase(
                recording: "a block of \(dtype.rawValue), \(sequences) sequences, \(nested ? "nested" : "plain") scales, room for \(capacity) tokens"
            ) { device in
                block(device, dtype, sequences, width, nested: nested, capacity: capacity)
            }
        }
    }

    private static func block(
        _ device: Device, _ dtype: DType, _ M: Int, _ D: Int, nested: Bool, capacity: Int
    ) -> (() -> Void, [KernelOutput]) {
        let (N, G, H, F, rows) = (4, 2, 64, 344, capacity + 3)
        func output(_ count: Int) -> Slice { device.output(dtype, count: count) }
        func weight(_ rows: Int, _ columns: Int) -> FourBitMatrix { fourBitMatrix(device, rows, columns, blockSize: 64, nested: nested) }
        let (x, added, sum, normed) = (ordinary(device, M * D, 1, dtype), ordinary(device, M * D, 2, dtype), output(M * D), output(M * D))
        let norm = positive(device, D, 3, dtype)
        let (query, key, value) = (output(M * N * H), output(M * G * H), output(M * G * H))
        let (turnedQuery, turnedKey) = (output(M * N * H), output(M * G * H))
        let (cosine, sine) = (ordinary(device, rows * H / 2, 4, .float32), ordinary(device, rows * H / 2, 5, .float32))
        // Of every six sequences one has ended, and tokens of two are beyond their room.
        let places = (0..<M).map { $0 % 6 == 3 ? -1 : $0 % 6 >= 4 ? capacity : ($0 % 6 + 1) * capacity / 6 }
        let positions = device.integers(places, as: .int32)
        let ranges = device.integers(places.flatMap { [0, $0 + 1] }, as: .int32)
        let (keys, values) = (ordinary(device, M * capacity * G * H, 7, dtype), ordinary(device, M * capacity * G * H, 8, dtype))
        let attended = output(M * N * H)
        let (gate, up, inner) = (output(M * F), output(M * F), output(M * F))
        let weights = [(N * H, query), (G * H, key), (G * H, value), (F, gate), (F, up)].map { (weight($0.0, D), $0.1) }
        let bias = ordinary(device, G * H, 6, .float32)
        let precision = ProductPrecision.allCases.first { $0.dtype == dtype } ?? .float32
        func submit() {
            func multiply(_ index: Int, bias: Slice? = nil) {
                device.run(FourBitLinear(normed, weight: weights[index].0, bias: bias, into: weights[index].1, precision: precision))
            }
            func turn(_ input: Slice, heads: Int, into output: Slice) {
                device.run(
                    Rotary(
                        input, cosine: cosine, sine: sine, positions: positions, tokens: M, heads: heads, headWidth: H, inverse: false, into: output))
            }
            let shape = [M, D]
            device.run(BinaryElementwise(.add, StridedSlice(contiguous: x, shape: shape), StridedSlice(contiguous: added, shape: shape), into: sum))
            device.run(RMSNorm(sum, weight: norm, epsilon: 1e-5, into: normed, reciprocal: nil))
            multiply(0)
            turn(query, heads: N, into: turnedQuery)
            multiply(1, bias: bias)
            turn(key, heads: G, into: turnedKey)
            multiply(2)
            device.run(
                CacheWrite(key: turnedKey, value: value, positions: positions, keyCache: keys, valueCache: values, sequences: M, width: G * H))
            let attention = AttentionShape(batch: M, queries: 1, keys: capacity, heads: N, groups: G, headWidth: H, scale: 0.125)
            device.run(
                Attention(
                    AttentionInputs(attention, query: turnedQuery, key: keys, value: values, keyRanges: ranges), into: attended, logSumExp: nil))
            multiply(3)
            multiply(4)
            device.run(GatedActivation(.silu, gate: gate, up: up, into: inner))
            // What is read again is written over: joining must not move one past the other.
            device.run(ScaleAndShift(up, scale: 2, into: gate))
        }
        let outputs = [
            ("sum", sum), ("normed", normed), ("query", turnedQuery), ("key", turnedKey), ("value", value), ("keys", keys), ("values", values),
            ("attended", attended), ("gate", gate), ("up", up), ("inner", inner),
        ]
        return (submit, outputs.map { KernelOutput($0, $1) })
    }
}
