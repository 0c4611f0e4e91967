import BitsCore
import BitsIO
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Parity: 4-bit quantization")
struct FourBitParityTests {
    @Test("Codes and scales are the recorded ones, and recorded codes come back as recorded")
    func quantization() throws {
        #expect(try ParityCases.operations("fourbit") == ["quantize_4bit", "matmul_4bit"])
        try ParityCases.compare("fourbit", "quantize_4bit") { parityCase in
            try checkQuantization(parityCase)
            return nil
        }
    }

    @Test("Products with 4-bit weights are the recorded ones")
    func products() throws {
        try ParityCases.compare("fourbit", "matmul_4bit") { parityCase in
            let arguments = try Arguments(parityCase)
            let (input, weight) = (try parityCase.require("X"), try parityCase.require("W"))
            let product = input.linear(try arguments.quantized(weight))
            let slack = try fenceSlack(input, weight, arguments)
            let difference = try parityCase.tolerance("Y").difference(product, try parityCase.require("Y"), slack: slack)
            #expect(difference == nil, "\(parityCase.id): the product \(difference ?? "")")
            return nil
        }
    }

    @Test("A weight whose state has an entry for each of its fields comes back as recorded, and is written as it was")
    func unpackedState() throws {
        let file = try SafetensorsFile(path: "\(ParityCases.folder)/states/nf4-as-dict.safetensors")
        func entry(_ name: String) throws -> Tensor? { try file[name].map { try file.tensor($0, on: .tested) } }
        let weight = try FourBitTensor { try entry("weight\($0)") }
        let recorded = try #require(try entry("dequantized"))
        #expect(weight.shape == recorded.shape && weight.state.isDoublyQuantized)
        #expect(try weight.dequantized().bytes() == recorded.bytes())
        let written = try weight.entries()
        #expect(Set(written.map { "weight\($0.suffix)" }) == Set(file.entries.map(\.name)).subtracting(["dequantized"]))
        for (suffix, tensor) in written { #expect(try tensor.bytes() == entry("weight\(suffix)")?.bytes(), "\(suffix)") }
    }

    private struct Arguments {
        var format: FourBitFormat
        var blockSize: BlockSize
        var nested: Bool
        var storage: DType

        init(_ parityCase: ParityCase) throws {
            let arguments = parityCase.arguments
            format = try #require(FourBitFormat(rawValue: arguments.require("quant_type")), "\(parityCase.id): no such format")
            blockSize = try BlockSize(arguments.require("blocksize"))
            nested = try arguments.require("nested")
            storage = try #require(DType(rawValue: arguments.value("quant_storage", default: "uint8")), "\(parityCase.id): no such storage type")
        }

        func quantized(_ tensor: Tensor) throws -> FourBitTensor {
            try tensor.quantized(to: format, blockSize: blockSize, doubleQuantization: nested, storage: storage)
        }
    }

    private func checkQuantization(_ parityCase: ParityCase) throws {
        let arguments = try Arguments(parityCase)
        let input = try parityCase.require("A")
        let ours = try arguments.quantized(input)
        let recorded = try parityCase.require("q")
        #expect(ours.packed.shape == recorded.shape && ours.packed.dtype == recorded.dtype, "\(parityCase.id): q is \(ours.packed), not \(recorded)")
        let codes = try expectedCodes(recorded, input: input, arguments: arguments)
        let difference = try parityCase.tolerance("q").codeDifference(nibbles(ours.packed), codes, rank: ranks(arguments.format))
        #expect(difference == nil, "\(parityCase.id): q \(difference ?? "")")
        try parityCase.expectScales(ours.state.scales)

        // What the reference's own codes and scales stand for.
        let state = QuantState(
            scales: try parityCase.recordedScales(blockSize: arguments.nested ? .statistics : nil),
            codebook: Tensor(arguments.format.values, device: .tested), blockSize: arguments.blockSize, shape: input.shape, dtype: input.dtype,
            format: arguments.format)
        try parityCase.expect("dequantized", FourBitTensor(packed: recorded, state: state).dequantized())
    }

    /// The recorded codes; but in a block of zeros, for which the reference's CUDA code stores code 0 whatever it stands for, the code of zero.
    private func expectedCodes(_ recorded: Tensor, input: Tensor, arguments: Arguments) throws -> [Int] {
        var codes = try nibbles(recorded)
        let values = try input.floats()
        let zero = Int(arguments.format.code(for: 0))
        for start in stride(from: 0, to: values.count, by: arguments.blockSize.count) {
            let block = start..<min(start + arguments.blockSize.count, values.count)
            if values[block].allSatisfy({ $0 == 0 }) { for i in block { codes[i] = zero } }
        }
        return codes
    }

    /// How far each element of the product can be off because the reference's codes are not recorded with it: its reciprocals are approximate, so that
    /// a weight within 4 units in the last place of a decision threshold may have either code.
    private func fenceSlack(_ input: Tensor, _ weight: Tensor, _ arguments: Arguments) throws -> [Double] {
        let (rows, columns) = (weight.shape[0], weight.shape[1])
        let (x, w) = (try input.floats(), try weight.floats())
        var slack = [Double](repeating: 0, count: x.count / columns * rows)
        for start in stride(from: 0, to: w.count, by: arguments.blockSize.count) {
            let block = start..<min(start + arguments.blockSize.count, w.count)
            let absmax = w[block].map { abs($0) }.max() ?? 0
            for i in block {
                let y = w[i] * (1 / absmax)
                let (low, high) = (arguments.format.code(for: y - 4 * y.ulp), arguments.format.code(for: y + 4 * y.ulp))
                guard low != high else { continue }
                let step = abs(Double(arguments.format.values[Int(high)] - arguments.format.values[Int(low)]) * Double(absmax))
                for m in 0..<x.count / columns { slack[m * rows + i / columns] += step * Double(abs(x[m * columns + i % columns])) }
            }
        }
        return slack
    }

    private func nibbles(_ packed: Tensor) throws -> [Int] { try packed.bytes().flatMap { [Int($0 >> 4), Int($0 & 15)] } }

    /// The place of each code in the order of values, so that neighbours differ by one; the two zeros of fp4 are neighbours.
    private func ranks(_ format: FourBitFormat) -> [Int] {
        let values = format.values
        let order = values.indices.sorted { a, b in
            (values[a], values[a].sign == .minus ? 0 : 1) < (values[b], values[b].sign == .minus ? 0 : 1)
        }
        return values.indices.map { order.firstIndex(of: $0) ?? 0 }
    }
}
