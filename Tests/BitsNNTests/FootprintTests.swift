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
        func footprint(_ form: LayerQuantization?) -> Footprint {
            Footprint(bloom) { name, _ in name.hasSuffix("linear.weight") ? form.map { .quantized($0) } ?? .plain(.float16) : .plain(.float16) }
        }
        let float16 = Double(footprint(nil).codeByteCount)
        #expect(footprint(nil).parameterCount == 1_722_408_960 && footprint(nil).scaleByteCount == 0)
        #expect(abs(float16 / Double(footprint(.fourBit(.nf4)).codeByteCount) - 2.109659552692574) < 1e-12)
        #expect(abs(float16 / Double(footprint(.int8()).codeByteCount) - 1.540025) < 5e-7)
    }

    /// A tree with the shapes of Llama-3.1-8B and no weights.
    private final class Llama8B: Module {
        final class Block: Module {
            @Child("q_proj") var query: LinearLayer
            @Child("k_proj") var key: LinearLayer
            @Child("v_proj") var value: LinearLayer
            @Child("o_proj") var output: LinearLayer
            @Child("gate_proj") var gate: LinearLayer
            @Child("up_proj") var up: LinearLayer
            @Child("down_proj") var down: LinearLayer
            @Weight("input_layernorm.weight") var first: Parameter
            @Weight("post_attention_layernorm.weight") var second: Parameter

            init(_ weights: WeightScope) {
                super.init()
                query = weights.linear("q_proj", inFeatures: 4096, outFeatures: 4096)
                key = weights.linear("k_proj", inFeatures: 4096, outFeatures: 1024)
                value = weights.linear("v_proj", inFeatures: 4096, outFeatures: 1024)
                output = weights.linear("o_proj", inFeatures: 4096, outFeatures: 4096)
                gate = weights.linear("gate_proj", inFeatures: 4096, outFeatures: 14336)
                up = weights.linear("up_proj", inFeatures: 4096, outFeatures: 14336)
                down = weights.linear("down_proj", inFeatures: 14336, outFeatures: 4096)
                first = weights.parameter("input_layernorm.weight", shape: [4096])
                second = weights.parameter("post_attention_layernorm.weight", shape: [4096])
            }
        }

        @Child("embed_tokens") var embedding: EmbeddingLayer
        @Children("layers") var blocks: [Block]
        @Weight("norm.weight") var norm: Parameter
        @Child("lm_head") var head: LinearLayer

        override init() {
            super.init()
            let weights = WeightScope(EmptyWeights())
            embedding = Embedding(weight: weights.parameter("embed_tokens.weight", shape: [128_256, 4096]))
            blocks = (0..<32).map { Block(weights["layers.\($0)"]) }
            norm = weights.parameter("norm.weight", shape: [4096])
            head = weights.linear("lm_head", inFeatures: 4096, outFeatures: 128_256)
        }
    }

    @Test("Llama-3.1-8B in NF4 with double quantization takes 5.702 GB, 4.14 GB with embedding and head, and asking takes none")
    func llama() {
        let before = Device.cpu.allocatedByteCount
        let model = Llama8B()
        let form = LayerQuantization.fourBit(.nf4)
        let usual = model.footprint(quantizedTo: form, dtype: .bfloat16)
        #expect(usual.parameterCount == 8_030_261_248)
        #expect(usual.byteCount == 5_702_295_552)
        let all = model.footprint(quantizedTo: form, embeddings: form, skipping: [], dtype: .bfloat16)
        #expect((Double(all.byteCount) / 1e7).rounded() == 414)
        #expect(model.footprint(quantizedTo: nil, dtype: .bfloat16).byteCount == 2 * 8_030_261_248)
        // Far below the model, far above what the tests beside this one take.
        #expect(Device.cpu.allocatedByteCount - before < 1 << 30)
    }

    @Test("A layer takes what its footprint says", arguments: [(40, 96), (33, 70), (1, 1)])
    func agreesWithLayers(rows: Int, columns: Int) throws {
        var random = RandomGenerator(seed: 8)
        let linear = Linear(inFeatures: columns, outFeatures: rows, bias: false, using: &random)
        for form in [LayerQuantization.fourBit(.nf4, doubleQuantization: false), .fourBit(.fp4, blockSize: .b32), .int8()] {
            var footprint = Footprint()
            footprint.add([rows, columns], as: .quantized(form))
            let layer = try form.layer(linear)
            let codebooks = form == .int8() ? 0 : form.name == "nf4" ? 4 * 16 : 4 * (16 + 256 + 1)
            #expect(layer.byteCount - codebooks == footprint.byteCount, "\(form)")
        }
    }
}
