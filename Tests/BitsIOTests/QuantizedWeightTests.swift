import BitsCore
import BitsIO
import BitsKernels
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Quantized weights of a checkpoint")
struct QuantizedWeightTests {
    private static let path = "model.layers.0.mlp.up_proj"
    /// [48, 32]
    private let weight = Tensor((0..<1536).map { Float(($0 * 37) % 101) / 50 - 1 }, shape: [48, 32])

    private func quantized(_ quantization: Quantization) throws -> any QuantizedTensor {
        try weight.quantized(as: quantization)
    }

    private func entries(_ quantization: Quantization) throws -> [String: Tensor] {
        Dictionary(uniqueKeysWithValues: try quantized(quantization).entries(named: "weight").map { ($0.name, $0.tensor) })
    }

    private func checkpoint(_ entries: [String: Tensor]) throws -> (folder: TemporaryFolder, checkpoint: Checkpoint) {
        let folder = try TemporaryFolder()
        let tensors = Dictionary(uniqueKeysWithValues: entries.map { ("\(QuantizedWeightTests.path).\($0.key)", $0.value) })
        try SafetensorsFile.write(tensors, to: "\(folder.path)/model.safetensors")
        return (folder, try Checkpoint(ModelFolder(path: folder.path)))
    }

    /// The weight that a checkpoint of these entries holds.
    private func read(_ entries: [String: Tensor]) throws -> (any QuantizedTensor)? {
        let (folder, checkpoint) = try checkpoint(entries)
        return try withExtendedLifetime(folder) { try checkpoint.quantizedWeight(QuantizedWeightTests.path) }
    }

    private func problem(_ entries: [String: Tensor]) throws -> String {
        do {
            return try read(entries) == nil ? "plain" : "quantized"
        } catch { return "\(error)" }
    }

    static let quantizations: [Quantization] = [
        .fourBit(.nf4, doubleQuantization: false), .fourBit(.nf4), .fourBit(.fp4, doubleQuantization: false, storage: .bfloat16),
        .fourBit(.fp4, storage: .float32), .int8(),
    ]

    @Test("A weight comes back from its entries with the same values and entries", arguments: quantizations)
    func roundTrip(quantization: Quantization) throws {
        let original = try quantized(quantization)
        let again = try #require(try read(try entries(quantization)))
        #expect(again.formatName == original.formatName && again.shape == [48, 32] && again.formatName == quantization.formatName)
        #expect(try again.dequantized(to: .float32).bytes() == original.dequantized(to: .float32).bytes())
        for (ours, theirs) in zip(try again.entries(named: "weight"), try original.entries(named: "weight")) {
            #expect(try ours.name == theirs.name && ours.tensor.shape == theirs.tensor.shape && ours.tensor.bytes() == theirs.tensor.bytes())
        }
    }

    @Test("Entries in 8 bits have the names, types and shapes of transformers, in its order")
    func int8Entries() throws {
        let entries = try quantized(.int8()).entries(named: "weight")
        #expect(entries.map(\.name) == ["weight", "SCB", "weight_format"])
        #expect(entries.map(\.tensor.dtype) == [.int8, .float32, .uint8] && entries.map(\.tensor.shape) == [[48, 32], [48], []])
        #expect(try entries[2].tensor.integers() == [0])
    }

    @Test("Weights in floating point, and layers without any, are not quantized")
    func plain() throws {
        #expect(try problem(["weight": weight, "bias": Tensor.ones([48])]) == "plain")
        #expect(try problem(["bias": Tensor.ones([48])]) == "plain")
        let (folder, checkpoint) = try checkpoint(["weight": weight, "bias": Tensor.ones([48])])
        #expect(withExtendedLifetime(folder) { checkpoint.quantizedPaths } == [])
    }

    @Test("All quantized layers are found, complete or not")
    func paths() throws {
        let folder = try TemporaryFolder()
        var tensors: [String: Tensor] = ["norm.weight": .ones([32]), "c.weight": Tensor([UInt8](repeating: 1, count: 8), shape: [8, 1])]
        for (name, tensor) in try entries(.fourBit(.nf4)) { tensors["b.\(name)"] = tensor }
        for (name, tensor) in try entries(.int8()) { tensors["a.\(name)"] = tensor }
        tensors["d.SCB"] = .ones([4])
        try SafetensorsFile.write(tensors, to: "\(folder.path)/model.safetensors")
        let model = try ModelFolder(path: folder.path)
        let checkpoint = try Checkpoint(model)
        #expect(checkpoint.quantizedPaths == ["a", "b", "c", "d"])
        #expect(checkpoint.weightEntries("a").map(\.name) == ["a.weight", "a.SCB", "a.weight_format"])
        #expect(checkpoint.weightEntries("norm").map(\.name) == ["norm.weight"])
        let error = #expect(throws: ModelFileError.self) { try checkpoint.quantizedWeights(in: model) }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains("'c.weight': weight") && text.contains("'d.weight': weight") && text.split(separator: "\n").count == 3)
    }

    @Test("Missing entries of a weight in 8 bits are named; without a layout it is row by row")
    func missing() throws {
        var entries = try entries(.int8())
        entries["weight_format"] = nil
        #expect(try problem(entries) == "quantized")
        entries["SCB"] = nil
        #expect(try problem(entries).contains("SCB of the quantized tensor should be there, not missing"))
        #expect(try problem(["SCB": .ones([48])]).contains("weight of the quantized tensor should be int8, not missing"))
    }

    @Test("Row scales of the wrong number or type are an error with both")
    func scales() throws {
        var entries = try entries(.int8())
        entries["SCB"] = .ones([47])
        #expect(try problem(entries).contains("SCB of the quantized tensor should be float32 [48], not float32 [47]"))
        entries["SCB"] = .ones([48], dtype: .float16)
        #expect(try problem(entries).contains("float32 [48], not float16 [48]"))
        for value in [Float.nan, .infinity, -1] {
            entries["SCB"] = Tensor((0..<48).map { $0 == 7 ? value : 1 })
            #expect(try problem(entries).contains("SCB of the quantized tensor should be finite and not negative, not \(value) (at 7)"))
        }
    }

    @Test(
        "Layouts other than row by row are refused by name",
        arguments: [(1, "1 (col32)"), (2, "2 (col_turing)"), (3, "3 (col_ampere)"), (4, "not 4")])
    func layouts(code: UInt8, name: String) throws {
        var entries = try entries(.int8())
        entries["weight_format"] = Tensor([code], shape: [])
        #expect(try problem(entries).contains(name))
        entries["weight_format"] = .ones([1])
        #expect(try problem(entries).contains("weight_format of the quantized tensor should be one integer, not float32 [1]"))
    }

    @Test("A weight that is there twice, quantized and plain or in two forms, is refused")
    func twice() throws {
        let (fourBit, int8) = (try entries(.fourBit(.nf4)), try entries(.int8()))
        #expect(try problem(fourBit.merging(["weight": weight]) { $1 }).contains("a plain float32 [48, 32] beside quantized entries"))
        #expect(try problem(int8.merging(["weight": weight]) { $1 }).contains("a plain F32 [48, 32] beside quantized entries (SCB, weight_format)"))
        #expect(try problem(fourBit.merging(int8) { first, _ in first }).contains("in 4 bits or in 8, not in both"))
    }

    @Test("Codes without anything that describes them are refused")
    func alone() throws {
        #expect(try problem(["weight": try #require(try entries(.fourBit(.nf4))["weight"])]).contains("U8 [768, 1] alone"))
    }
}

@Suite("Quantized weights described by an entry a field")
struct UnpackedStateTests {
    private let weight = Tensor((0..<1536).map { Float(($0 * 37) % 101) / 50 - 1 }, shape: [48, 32], dtype: .bfloat16)

    private func text(_ text: String) -> Tensor { Tensor(Array(text.utf8)) }
    private func number(_ value: Int32) -> Tensor { Tensor([value], shape: []) }

    /// The entries of an older file: the packed description taken apart.
    private func entries(doubleQuantization: Bool) throws -> [String: Tensor] {
        let packed = try weight.quantized(to: .nf4, doubleQuantization: doubleQuantization)
        var entries = Dictionary(uniqueKeysWithValues: try packed.entries().map { ($0.suffix, $0.tensor) })
        entries[".quant_state.bitsandbytes__nf4"] = nil
        entries[".quant_type"] = text("nf4")
        entries[".blocksize"] = number(64)
        entries[".dtype"] = text("bfloat16")
        entries[".shape"] = Tensor([48, 32] as [Int32])
        if case .doublyQuantized(let scales) = packed.state.scales {
            entries[".nested_blocksize"] = number(256)
            entries[".nested_dtype"] = text("float32")
            entries[".nested_offset"] = scales.offset
        }
        return entries
    }

    private func problem(_ change: (inout [String: Tensor]) -> Void) throws -> String {
        var entries = try entries(doubleQuantization: true)
        change(&entries)
        do {
            _ = try FourBitTensor { entries[$0] }
            return "nothing"
        } catch { return "\(error)" }
    }

    @Test("They stand for the same values, and are written as they were", arguments: [false, true])
    func roundTrip(doubleQuantization: Bool) throws {
        let entries = try entries(doubleQuantization: doubleQuantization)
        let read = try FourBitTensor { entries[$0] }
        let original = try weight.quantized(to: .nf4, doubleQuantization: doubleQuantization)
        #expect(try read.dequantized().bytes() == original.dequantized().bytes() && read.state.dtype == .bfloat16)
        let written = Dictionary(uniqueKeysWithValues: try read.entries().map { ($0.suffix, $0.tensor) })
        #expect(try written.mapValues { try $0.bytes() } == entries.mapValues { try $0.bytes() })
        #expect(written.mapValues(\.shape) == entries.mapValues(\.shape))
    }

    @Test("What is missing, of another kind or there twice is named")
    func problems() throws {
        #expect(try problem { _ in } == "nothing")
        for name in ["quant_type", "blocksize", "dtype", "shape", "nested_blocksize", "nested_offset"] {
            #expect(try problem { $0[".\(name)"] = nil }.contains("it has no '\(name)'"), "\(name)")
        }
        #expect(try problem { $0[".nested_dtype"] = nil } == "nothing")
        #expect(try problem { $0[".quant_type"] = text("int3") }.contains("int3"))
        #expect(try problem { $0[".dtype"] = text("int8") }.contains("dtype is 'int8'"))
        #expect(try problem { $0[".nested_dtype"] = text("float16") }.contains("nested_dtype is 'float16'"))
        #expect(try problem { $0[".blocksize"] = number(48) }.contains("block size 48"))
        #expect(try problem { $0[".blocksize"] = .ones([1]) }.contains("'blocksize' is of another kind"))
        #expect(try problem { $0[".shape"] = .ones([2]) }.contains("'shape' is of another kind"))
        #expect(try problem { $0[".nested_offset"] = .ones([2]) }.contains("'nested_offset' is of another kind"))
        #expect(try problem { $0[".quant_type"] = number(4) }.contains("'quant_type' is of another kind"))
        let packed = try #require(try weight.quantized(to: .nf4).entries().last)
        #expect(try problem { $0[packed.suffix] = packed.tensor }.contains("quant_state of the quantized tensor should be there once"))
    }
}
