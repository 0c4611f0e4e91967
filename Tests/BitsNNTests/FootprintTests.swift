import BitsCore
import BitsNN
import BitsQuant
import Testing

@Suite("Footprints from shapes alone")
struct FootprintTests {
    /// The weights of bloom-1b7: 24 blocks of width 2048, a vocabulary of 250,880, the head tied.
    private var bloom: [(name: String, shape: [Int])] {
        let (width, norm) = (2048, [2048])
        var weights: [(name: String, shape: [Int])] = [("word_embeddings.weight", [250_880, width])]
        weights += ["word_embeddings_layernorm", "ln_f"].flatMap { [("\($0).weight", norm), ("\($0).bias", norm)] }
        for block in 0..<24 {
            for name in ["input_layernorm", "post_attention_layernorm"] {
                weights += [("h.\(block).\(name).weight", norm), ("h.\(block).\(name).bias", norm)]
            }
            for (name, shape) in [
                ("query_key_value", [3 * width, width]), ("dense", [width, width]), ("dense_h_to_4h", [4 * width, width]),
                ("dense_4h_to_h", [width, 4 * width]),
            ] { weights += [("h.\(block).\(name).linear.weight", shape), ("h.\(block).\(name).bias", [shape[0]])] }
        }
        return weights
    }

    @Test("bloom-1b7 shrinks by what transformers' own tests expect, which count codes and not scales")
    func bloomRatios() {
        func footprint(_ form: Quantization?) -> Footprint {
            Footprint(bloom, dtype: .float16) { name, _ in name.hasSuffix("linear.weight") ? form : nil }
        }
        let float16 = Double(footprint(nil).codeByteCount)
        #expect(footprint(nil).parameterCount == 1_722_408_960 && footprint(nil).scaleByteCount == 0)
        #expect(abs(float16 / Double(footprint(.fourBit(.nf4)).codeByteCount) - 2.109659552692574) < 1e-12)
        #expect(abs(float16 / Double(footprint(.int8()).codeByteCount) - 1.540025) < 5e-7)
    }

    @Test("A layer takes what its footprint says", arguments: [(40, 96), (33, 70), (1, 1)])
    func agreesWithLayers(rows: Int, columns: Int) throws {
        var random = RandomGenerator(seed: 8)
        let linear = Linear(inFeatures: columns, outFeatures: rows, bias: false, using: &random)
        for form in [Quantization.fourBit(.nf4, doubleQuantization: false), .fourBit(.fp4, blockSize: .b32), .int8()] {
            var footprint = Footprint()
            footprint.add([rows, columns], as: form, dtype: .float32)
            let layer = try form.layer(linear)
            let codebooks = form == .int8() ? 0 : form.formatName == "nf4" ? 4 * 16 : 4 * (16 + 256 + 1)
            #expect(layer.byteCount - codebooks == footprint.byteCount, "\(form)")
        }
    }
}
