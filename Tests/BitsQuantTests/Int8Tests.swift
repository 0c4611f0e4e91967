import BitsCore
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("LLM.int8()")
struct Int8Tests {
    static let example = Tensor(
        [1, -2, 3, -4, 0.5, 0.25, -0.125, 6.5, 0, 0, 0, 0, 0.1, 0.2, 0.3, 0.4], shape: [4, 4], dtype: .float16)

    @Test("Four rows get the codes and scales of the specification")
    func golden() throws {
        let (plain, none) = try Int8Tests.example.quantizedInt8()
        #expect(none == nil)
        #expect(try plain.codes.integers() == [32, -64, 95, -127, 10, 5, -2, 127, 0, 0, 0, 0, 32, 64, 95, 127])
        #expect(try plain.scales.floats() == [4, 6.5, 0, 0.39990234])
        let (rest, columns) = try Int8Tests.example.quantizedInt8(outlierThreshold: 6)
        #expect(columns == [3])
        #expect(try Array(rest.codes.integers()[4..<8]) == [127, 64, -32, 0])
        #expect(try rest.codes.integers().enumerated().allSatisfy { $0 % 4 != 3 || $1 == 0 })
        #expect(try rest.scales.floats() == [4, 0.5, 0, 0.39990234])
    }

    @Test("Any rank and width is quantized by rows", arguments: [[7], [1, 1], [3, 0], [0, 5], [2, 3, 5]], [DType.float32, .bfloat16])
    func shapes(shape: [Int], dtype: DType) throws {
        let count = shape.reduce(1, *)
        let x = Tensor(HostileFloats.ordinary(count: count, seed: 1), shape: shape, dtype: dtype)
        let (quantized, columns) = try x.quantizedInt8(outlierThreshold: 100)
        #expect(columns == [])
        #expect(quantized.shape == shape && quantized.dtype == dtype)
        #expect(quantized.scales.shape == [shape.dropLast().reduce(1, *)])
        let back = quantized.dequantized()
        #expect(back.shape == shape && back.dtype == dtype)
        let (values, found) = (try x.floats(), try back.floats())
        let width = shape[shape.count - 1]
        for i in values.indices {
            let absmax = values[i / width * width..<(i / width + 1) * width].map { abs($0) }.max() ?? 0
            #expect(abs(values[i] - found[i]) <= absmax * (dtype == .float32 ? 0.00394 : 0.008))
        }
        #expect(quantized.byteCount == count + 4 * quantized.scales.count)
    }

    @Test("What is too large for float16 is quantized as it is")
    func large() throws {
        let x = Tensor([1e5, -2e5, 3e38, 1e38], shape: [2, 2])
        #expect(try x.quantizedInt8().tensor.scales.floats() == [2e5, 3e38])
        #expect(try x.quantizedInt8().tensor.codes.integers() == [64, -127, 127, 42])
        // A weight goes through float16, as checkpoints are made; the number that does not fit is counted.
        #expect(try Int8Tensor(weight: x).nonFiniteInputCount() == 4)
    }

    @Test("NaN has code 0 and does not count; a row with an infinity stands for NaN; tiny scales send all to the ends")
    func nonFinite() throws {
        let tiny = Float.leastNonzeroMagnitude
        let x = Tensor([.nan, 2, -1, .infinity, 1, -1, tiny, 0, -2 * tiny], shape: [3, 3])
        let quantized = try x.quantizedInt8().tensor
        #expect(try quantized.codes.integers() == [0, 127, -64, 0, 0, 0, 127, 0, -127])
        #expect(try quantized.scales.floats() == [2, .infinity, 2 * tiny])
        #expect(try quantized.dequantized().floats()[3..<6].allSatisfy { $0.isNaN })
        #expect(try quantized.nonFiniteInputCount() == 2)
        let (rest, columns) = try x.quantizedInt8(outlierThreshold: 6)
        #expect(columns == [0])
        #expect(try rest.codes.integers() == [0, 127, -64, 0, 127, -127, 0, 0, -127])
    }

    @Test("A product stands for its number over 127 twice, within a rounding of each of four operations")
    func rescaling() throws {
        let sums = (0..<60).map { Int32($0 * 7919 - 200_000) }
        let (rows, columns) = ((0..<5).map { 0.1 + Float($0) }, (0..<12).map { 3.7 + Float($0) })
        let found = Tensor(sums, shape: [5, 12]).dequantizedInt8Product(rowScales: Tensor(rows), columnScales: Tensor(columns), to: .float32)
        // The original's constant on processors is 1.8e-5 off.
        for (i, value) in try found.floats().enumerated() {
            let exact = Double(sums[i]) * Double(rows[i / 12]) * Double(columns[i % 12]) / (127 * 127)
            #expect(abs(Double(value) - exact) <= 4 * 0x1p-24 * abs(exact))
        }
    }

    @Test("Columns are quantized by their own scales, outliers left out")
    func columns() throws {
        let (rows, codes, scales, outliers) = try Int8Tests.example.doublyQuantizedInt8(outlierThreshold: 6)
        #expect(outliers == [3])
        #expect(try rows.codes.bytes() == Int8Tests.example.quantizedInt8(outlierThreshold: 6).tensor.codes.bytes())
        #expect(try scales.floats() == [1, 2, 3, 4])
        #expect(try codes.integers() == [127, -127, 127, -127, 64, 16, -5, 0, 0, 0, 0, 0, 13, 13, 13, 13])
        // Beyond what float16 can multiply by 127.
        let large = try Tensor([600, -1200], shape: [2, 1], dtype: .float16).doublyQuantizedInt8()
        #expect(try large.columnCodes.integers() == [64, -127])
    }

    @Test("A threshold below 0 or NaN is refused", arguments: [Float(-1), .nan, -.infinity])
    func thresholds(threshold: Float) {
        #expect { try Int8Tests.example.quantizedInt8(outlierThreshold: threshold) } throws: {
            "\($0)".contains("outlier threshold \(threshold)")
        }
    }

    @Test("Codes and scales that do not belong together are refused")
    func refused() throws {
        let quantized = Int8Tensor(weight: Int8Tests.example)
        #expect(throws: QuantizationError.inconsistentState("SCB", expected: "float32 [4]", found: "float32 [3]")) {
            try Int8Tensor(codes: quantized.codes, scales: Tensor.zeros([3]))
        }
        #expect(throws: QuantizationError.inconsistentState("SCB", expected: "float32 [4]", found: "float16 [4]")) {
            try Int8Tensor(codes: quantized.codes, scales: quantized.scales.cast(to: .float16))
        }
        #expect(throws: QuantizationError.inconsistentState("weight", expected: "int8, of one dimension or more", found: "float16 [4, 4]")) {
            try Int8Tensor(codes: Int8Tests.example, scales: quantized.scales)
        }
    }

    @Test("Entries have the names and types of checkpoints and are read back")
    func entries() throws {
        let quantized = Int8Tensor(weight: Int8Tests.example)
        let entries = quantized.entries()
        #expect(entries.map(\.name) == ["weight", "SCB", "weight_format"])
        #expect(entries.map(\.tensor.dtype) == [.int8, .float32, .uint8])
        #expect(entries.map(\.tensor.shape) == [[4, 4], [4], []])
        var found = Dictionary(uniqueKeysWithValues: entries.map { ($0.name, $0.tensor) })
        #expect(try Int8Tensor { found[$0] }.dequantized().bytes() == quantized.dequantized().bytes())
        for (code, name) in [(1, "1 (col32)"), (2, "2 (col_turing)"), (3, "3 (col_ampere)"), (9, "9")] {
            found["weight_format"] = Tensor([UInt8(code)], shape: [])
            #expect(throws: QuantizationError.inconsistentState("weight_format", expected: "0 (row)", found: name)) { try Int8Tensor { found[$0] } }
        }
        found["weight_format"] = nil
        #expect(try Int8Tensor { found[$0] }.shape == [4, 4])
        found["SCB"] = nil
        #expect(throws: QuantizationError.inconsistentState("SCB", expected: "there", found: "missing")) { try Int8Tensor { found[$0] } }
    }
}
