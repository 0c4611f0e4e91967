import BitsCore
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Entries of a quantized tensor in a checkpoint")
struct QuantStateTests {
    static func weight(
        _ format: FourBitFormat = .nf4, nested: Bool = true, dtype: DType = .bfloat16, storage: DType = .uint8
    ) throws -> FourBitTensor {
        try Tensor(HostileFloats.ordinary(count: 32 * 128, seed: 1).map { $0 * 0.05 }, shape: [32, 128], dtype: dtype)
            .quantized(to: format, doubleQuantization: nested, storage: storage)
    }

    @Test("Entries have the names, order, types and shapes of the reference")
    func layout() throws {
        let entries = try Self.weight().entries()
        #expect(
            entries.map(\.suffix) == [
                "", ".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", ".quant_state.bitsandbytes__nf4",
            ])
        #expect(entries.map(\.tensor.dtype) == [.uint8, .uint8, .float32, .float32, .float32, .uint8])
        #expect(entries.dropLast().map(\.tensor.shape) == [[2048, 1], [64], [16], [1], [256]])
        let plain = try Self.weight(.fp4, nested: false, storage: .bfloat16).entries()
        #expect(plain.map(\.suffix) == ["", ".absmax", ".quant_map", ".quant_state.bitsandbytes__fp4"])
        #expect(plain.map(\.tensor.shape).first == [1024, 1])
        #expect(try plain[2].tensor.floats().map(\.bitPattern)[8] == 0)
    }

    @Test("The description is the line of JSON that Python writes")
    func text() throws {
        let plain = try Self.weight(.fp4, nested: false, dtype: .float32).entries()
        #expect(try string(plain.last!.tensor) == #"{"quant_type": "fp4", "blocksize": 64, "dtype": "float32", "shape": [32, 128]}"#)
        let nested = try Self.weight()
        guard case .doublyQuantized(let scales) = nested.state.scales else {
            Issue.record("the scales are not quantized")
            return
        }
        let offset = try Double(scales.offset.item())
        let expected =
            #"{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [32, 128], "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": "#
            + "\(offset)}"
        #expect(try string(nested.entries().last!.tensor) == expected)
    }

    @Test(
        "Every offset is written with the shortest digits that read back, as Python prints it",
        arguments: [
            (0.08722686767578125, "0.08722686767578125"), (1e-5, "9.999999747378752e-06"), (0, "0.0"), (-1.5, "-1.5"),
            (1e16, "1.0000000272564224e+16"), (9.5e15, "9499999507316736.0"),
        ] as [(Float, String)])
    func offsets(offset: Float, written: String) throws {
        let weight = try Self.weight()
        guard case .doublyQuantized(let scales) = weight.state.scales else { return }
        let shifted = DoublyQuantizedScales(
            codes: scales.codes, offset: Tensor([offset]), absmax: scales.absmax, codebook: scales.codebook, blockSize: scales.blockSize)
        let state = QuantState(
            scales: .doublyQuantized(shifted), codebook: weight.state.codebook, blockSize: .b64, shape: weight.shape, dtype: .bfloat16, format: .nf4)
        let entries = try FourBitTensor(packed: weight.packed, state: state).entries()
        #expect(try string(entries.last!.tensor).hasSuffix(#""nested_offset": "# + written + "}"))
    }

    @Test("What was written reads back as the same tensor", arguments: FourBitFormat.allCases)
    func roundTrip(format: FourBitFormat) throws {
        for nested in [false, true] {
            for storage in [DType.uint8, .bfloat16, .float32] {
                let weight = try Self.weight(format, nested: nested, storage: storage)
                let entries = try dictionary(weight)
                let again = try FourBitTensor { entries[$0] }
                #expect(again.state.dtype == .bfloat16)
                #expect(again.shape == [32, 128])
                #expect(try again.dequantized().bytes() == weight.dequantized().bytes())
                #expect(try dictionary(again).mapValues { try $0.bytes() } == entries.mapValues { try $0.bytes() })
            }
        }
    }

    @Test("The description is read in any order and spacing")
    func tolerant() throws {
        var entries = try dictionary(Self.weight(nested: false))
        entries[".quant_state.bitsandbytes__nf4"] = Tensor(
            Array("{\n \"shape\":[ 32 ,128 ],\"dtype\" : \"bfloat16\",\"quant_type\":\"nf4\", \"blocksize\":64}\n".utf8))
        #expect(try FourBitTensor { entries[$0] }.shape == [32, 128])
    }

    @Test(
        "A description that cannot be right is refused with the reason",
        arguments: [
            ("", "it is not JSON"), ("{", "it is not JSON"), ("[]", "another kind"), (#"{"quant_type": "nf4"}"#, "it has no 'blocksize'"),
            (#"{"quant_type": "nf4", "blocksize": "64", "dtype": "float32", "shape": [32, 128]}"#, "'blocksize' is of another kind"),
            (#"{"quant_type": "int4", "blocksize": 64, "dtype": "float32", "shape": [32, 128]}"#, "'int4' is not a 4-bit format"),
            (#"{"quant_type": "fp4", "blocksize": 64, "dtype": "float32", "shape": [32, 128]}"#, "quant_type of the quantized tensor should be nf4"),
            (#"{"quant_type": "nf4", "blocksize": 0, "dtype": "float32", "shape": [32, 128]}"#, "block size 0 is not supported"),
            (#"{"quant_type": "nf4", "blocksize": 8192, "dtype": "float32", "shape": [32, 128]}"#, "block size 8192 is not supported"),
            (#"{"quant_type": "nf4", "blocksize": 64, "dtype": "int32", "shape": [32, 128]}"#, "its dtype is 'int32'"),
            (#"{"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [32, -128]}"#, "its shape is [32, -128]"),
            (#"{"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [4611686018427387904, 32]}"#, "its shape is"),
            (#"{"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [1152921504606846976, 1152921504606846976, 0]}"#, "its shape is"),
            (nestedText(offset: "NaN"), "its nested_offset is nan"), (nestedText(offset: "1e300"), "its nested_offset is inf"),
            (#"{"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": null}"#, "'shape' is of another kind"),
            (
                #"{"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [32, 64]}"#,
                "weight of the quantized tensor should be 1024 bytes, not 2048"
            ),
            (
                #"{"quant_type": "nf4", "blocksize": 128, "dtype": "float32", "shape": [32, 128]}"#,
                "absmax of the quantized tensor should be float32 [32]"
            ),
            (
                #"{"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [32, 128], "nested_offset": 1.0}"#,
                "it has no 'nested_blocksize'"
            ),
        ])
    func refused(text: String, reason: String) throws {
        var entries = try dictionary(Self.weight(nested: false))
        entries[".quant_state.bitsandbytes__nf4"] = Tensor(Array(text.utf8))
        do {
            _ = try FourBitTensor { entries[$0] }
            Issue.record("\(text) was accepted")
        } catch let error as QuantizationError {
            #expect("\(error)".contains(reason), "\(error)")
        }
    }

    @Test(
        "A missing part is named", arguments: ["", ".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", ".quant_state.bitsandbytes__nf4"])
    func missing(suffix: String) throws {
        var entries = try dictionary(Self.weight())
        entries[suffix] = nil
        do {
            _ = try FourBitTensor { entries[$0] }
            Issue.record("a tensor without '\(suffix)' was accepted")
        } catch let error as QuantizationError {
            #expect("\(error)".contains(suffix.isEmpty ? "weight" : String(suffix.dropFirst())), "\(error)")
            #expect("\(error)".contains("missing"))
        }
    }

    @Test("A description is written back as it was read, fields that are not known here included")
    func unknownFields() throws {
        let text = #"{"shape":[32,128], "blocksize":64, "quant_type":"nf4", "dtype":"bfloat16", "axis": {"of": [1, null]}}"#
        var entries = try dictionary(Self.weight(nested: false))
        entries[".quant_state.bitsandbytes__nf4"] = Tensor(Array(text.utf8))
        let (device, read) = (Device.deferred(), try FourBitTensor { entries[$0] })
        #expect(try string(read.entries().last!.tensor) == text)
        #expect(try string(read.moved(to: device).entries().last!.tensor) == text)
    }

    @Test("Codes and scales from elsewhere are a tensor", arguments: FourBitFormat.allCases)
    func parts(format: FourBitFormat) throws {
        let weight = try Self.weight(format, nested: false, dtype: .float32)
        guard case .plain(let absmax) = weight.state.scales else { return }
        let again = try FourBitTensor(packed: weight.packed, absmax: absmax, format: format, shape: [32, 128])
        #expect(try again.dequantized().floats() == weight.dequantized().floats())
        #expect(try dictionary(again).mapValues { try $0.bytes() } == dictionary(weight).mapValues { try $0.bytes() })
        // Another number of elements in the same bytes, and another block size.
        let odd = try FourBitTensor(packed: weight.packed, absmax: absmax, format: format, shape: [4095], dtype: .bfloat16)
        #expect(odd.dequantized().shape == [4095] && odd.dequantized().dtype == .bfloat16)
        let coarse = try FourBitTensor(
            packed: weight.packed, absmax: absmax.narrowed(axis: 0, to: 0..<32), format: format, blockSize: .b128, shape: [32, 128])
        #expect(try coarse.dequantized().floats() != weight.dequantized().floats())
    }

    @Test("Codes and scales that do not belong together are refused")
    func foreignParts() throws {
        let packed = try Self.weight(nested: false).packed
        func problem(_ packed: Tensor, scales: Int, shape: [Int]) -> String {
            do {
                _ = try FourBitTensor(packed: packed, absmax: Tensor.ones([scales]), format: .nf4, shape: shape)
                return "nothing"
            } catch { return "\(error)" }
        }
        #expect(problem(packed, scales: 64, shape: [32, 128]) == "nothing")
        #expect(problem(packed, scales: 63, shape: [32, 128]).contains("absmax of the quantized tensor should be 64 scales, not 63"))
        #expect(problem(packed, scales: 65, shape: [4097]).contains("weight of the quantized tensor should be 2049 bytes, not 2048"))
        #expect(problem(Tensor([Int32](repeating: 0, count: 512)), scales: 64, shape: [4096]).contains("not int32"))
    }

    @Test("A map of other values is used as it stands, and written as it was")
    func otherMap() throws {
        var entries = try dictionary(Self.weight(nested: false, dtype: .float32))
        let values = FourBitFormat.nf4.values.map { $0 * 2 }
        entries[".quant_map"] = Tensor(values)
        let doubled = try FourBitTensor { entries[$0] }
        let plain = try Self.weight(nested: false, dtype: .float32).dequantized().floats()
        #expect(try doubled.dequantized().floats() == plain.map { $0 * 2 })
        #expect(try dictionary(doubled)[".quant_map"]?.floats() == values)
    }

    private static func nestedText(offset: String) -> String {
        #"{"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [32, 128], "nested_blocksize": 256, "nested_offset": \#(offset)}"#
    }

    private func dictionary(_ tensor: FourBitTensor) throws -> [String: Tensor] {
        Dictionary(uniqueKeysWithValues: try tensor.entries().map { ($0.suffix, $0.tensor) })
    }

    private func string(_ tensor: Tensor) throws -> String { String(decoding: try tensor.bytes(), as: UTF8.self) }
}
