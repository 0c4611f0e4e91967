import BitsKernels
import Testing
import _BitsTestSupport

@Suite("int8 quantization kernels")
struct QuantizeInt8Tests {
    static let thresholds: [Float] = [0, 0.01, 2, 6, .leastNonzeroMagnitude, .infinity]

    @Test("Codes, scales, outliers and the count of non-finite inputs are the reference's, whatever comes in", arguments: thresholds)
    func hostile(threshold: Float) throws {
        // Rows of ordinary numbers, of numbers of every kind, of ties, and of denormal numbers.
        let ties = (0..<520).map { $0 == 0 ? 127 : Float($0 % 254) / 2 - 63 }
        let tiny = (0..<520).map { Float(bitPattern: UInt32($0)) }
        for columns in [1, 3, 8, 33, 64, 130, 520] {
            let values = HostileFloats.ordinary(count: 520, seed: 1) + HostileFloats.mixture(count: 1560, seed: 2) + ties + tiny
            for dtype in [DType.float32, .float16, .bfloat16] {
                let whole = Array(values.prefix(values.count / columns * columns))
                #expect(try deviations(of: whole, as: dtype, columns: columns, threshold: threshold) == [])
            }
        }
    }

    @Test("Every width and number of rows is quantized", arguments: [(0, 5), (5, 0), (1, 1), (1, 70_000), (300, 300), (70_000, 1), (2, 4097)])
    func sizes(rows: Int, columns: Int) throws {
        for threshold: Float in [0, 3.5] {
            let values = HostileFloats.ordinary(count: rows * columns, seed: 3)
            #expect(try deviations(of: values, as: .float32, columns: columns, rows: rows, threshold: threshold) == [])
        }
    }

    @Test("Codes come back as the reference has them, in whole and by rows", arguments: [DType.float32, .float16, .bfloat16])
    func dequantization(dtype: DType) throws {
        for (rows, columns) in [(0, 4), (4, 0), (1, 1), (3, 5), (33, 100), (40, 2048)] {
            let scales = HostileFloats.mixture(count: rows, seed: 4)
            let codes = (0..<rows * columns).map { $0 * 91 % 256 - 128 }
            let matrix = Int8Matrix(
                codes: Device.tested.integers(codes, as: .int8), scales: Device.tested.input(scales), columns: columns)
            let output = Device.tested.output(dtype, count: rows * columns)
            #expect(try deviationsFromReference(DequantizeInt8(matrix, into: output), outputs: [KernelOutput("output", output)]) == [])
            for type in [DType.int32, .int64] {
                let indices = Device.tested.integers([rows - 1, 0, -1, rows, 0, rows / 2], as: type)
                let gathered = Device.tested.output(dtype, count: 6 * columns)
                let kernel = GatherInt8(matrix, rows: indices, into: gathered)
                #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("gathered", gathered)]) == [])
            }
        }
    }

    private func deviations(of values: [Float], as dtype: DType, columns: Int, rows: Int? = nil, threshold: Float) throws -> [String] {
        let device = Device.tested
        let rows = rows ?? values.count / columns
        let input = device.input(values, as: dtype)
        let codes = device.output(.int8, count: values.count)
        let (rowScales, columnScales) = (device.output(.float32, count: rows), device.output(.float32, count: columns))
        let outliers = device.output(.uint8, count: columns)
        let nonFinite = device.integers([0], as: .int64)
        let byRows = QuantizeInt8Rows(
            input, columns: columns, threshold: threshold, codes: codes, scales: rowScales, outliers: outliers, nonFiniteCount: nonFinite)
        let outputs = [KernelOutput("codes", codes), KernelOutput("scales", rowScales), KernelOutput("outliers", outliers)]
        let byColumns = QuantizeInt8Columns(input, threshold: threshold, codes: codes, scales: columnScales)
        return try deviationsFromReference(byRows, outputs: outputs + [KernelOutput("count", nonFinite)])
            + deviationsFromReference(byColumns, outputs: [KernelOutput("codes", codes), KernelOutput("scales", columnScales)])
    }
}
