import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import Testing

/// What models that people use would take, from their published configurations alone: no weight is read or allocated.
@Suite("Footprints of published models")
struct FamilyFootprintTests {
    struct Golden: CustomTestStringConvertible, Sendable {
        let name: String
        let parameters: Int
        /// Bytes in NF4 and in int8, the rest in 16 bits, as transformers counts them: without scales. By the formulas of the papers.
        let fourBit: Int
        let int8: Int

        var testDescription: String { name }
    }

    static let goldens = [
        Golden(name: "llama-2-7b", parameters: 6_738_415_616, fourBit: 3_762_823_168, int8: 7_000_825_856),
        Golden(name: "llama-2-13b", parameters: 13_015_864_320, fourBit: 7_000_074_240, int8: 13_343_959_040),
        Golden(name: "llama-2-70b", parameters: 68_976_648_192, fourBit: 35_276_734_464, int8: 69_502_255_104),
        Golden(name: "llama-3.1-8b", parameters: 8_030_261_248, fourBit: 5_591_539_712, int8: 9_081_200_640),
        Golden(name: "llama-3.1-70b", parameters: 70_553_706_496, fourBit: 38_430_851_072, int8: 72_656_371_712),
        Golden(name: "llama-3.2-1b", parameters: 1_235_814_400, fourBit: 1_012_011_008, int8: 1_498_550_272),
        Golden(name: "llama-3.2-3b", parameters: 3_212_749_824, fourBit: 2_197_641_216, int8: 3_606_927_360),
        Golden(name: "mistral-7b", parameters: 7_241_732_096, fourBit: 4_014_481_408, int8: 7_504_142_336),
        Golden(name: "mixtral-8x7b", parameters: 46_702_792_704, fourBit: 23_746_584_576, int8: 46_966_251_520),
        Golden(name: "qwen2.5-0.5b", parameters: 494_032_768, fourBit: 451_325_696, int8: 630_238_976),
        Golden(name: "qwen2.5-1.5b", parameters: 1_543_714_304, fourBit: 1_122_135_040, int8: 1_777_232_896),
        Golden(name: "qwen2.5-7b", parameters: 7_615_616_512, fourBit: 5_443_300_352, int8: 8_705_944_576),
        Golden(name: "qwen2.5-14b", parameters: 14_770_033_664, fourBit: 9_721_980_928, int8: 16_328_009_728),
        Golden(name: "qwen2.5-32b", parameters: 32_763_876_352, fourBit: 18_719_320_064, int8: 34_322_130_944),
        Golden(name: "qwen2.5-72b", parameters: 72_706_203_648, fourBit: 40_093_433_856, int8: 75_199_758_336),
        Golden(name: "qwen3-0.6b", parameters: 596_049_920, fourBit: 531_496_960, int8: 751_697_920),
        Golden(name: "qwen3-8b", parameters: 8_190_735_360, fourBit: 5_962_819_584, int8: 9_435_703_296),
        Golden(name: "qwen3-14b", parameters: 14_768_307_200, fourBit: 9_718_528_000, int8: 16_324_556_800),
        Golden(name: "qwen3-32b", parameters: 32_762_123_264, fourBit: 18_715_813_888, int8: 34_318_624_768),
        Golden(name: "qwen3-30b-a3b", parameters: 30_532_122_624, fourBit: 16_218_746_880, int8: 31_167_246_336),
        Golden(name: "phi-3-mini", parameters: 3_821_079_552, fourBit: 2_206_341_120, int8: 4_018_280_448),
        Golden(name: "phi-4", parameters: 14_659_507_200, fourBit: 8_871_782_400, int8: 15_687_526_400),
        Golden(name: "gemma-2-2b", parameters: 2_614_341_888, fourBit: 2_192_269_824, int8: 3_204_407_808),
        Golden(name: "gemma-3-1b", parameters: 999_885_952, fourBit: 953_129_216, int8: 1_302_010_112),
        Golden(name: "gpt2-xl", parameters: 1_557_611_200, fourBit: 903_382_400, int8: 1_640_662_400),
        Golden(name: "bloom-1b7", parameters: 1_722_408_960, fourBit: 1_632_878_592, int8: 2_236_858_368),
        Golden(name: "opt-6.7b", parameters: 6_658_473_984, fourBit: 3_653_271_552, int8: 6_874_497_024),
    ]

    @Test("Parameters and bytes are the known ones", arguments: goldens)
    func footprint(golden: Golden) throws {
        let model = try CausalLanguageModel(#require(PublishedShape.named(golden.name)).configuration)
        let whole = model.footprint(quantizedTo: nil, dtype: .bfloat16)
        #expect(whole.parameterCount == golden.parameters && whole.byteCount == 2 * golden.parameters)
        #expect(model.footprint(quantizedTo: .fourBit(.nf4), dtype: .bfloat16).codeByteCount == golden.fourBit)
        #expect(model.footprint(quantizedTo: .int8(), dtype: .bfloat16).codeByteCount == golden.int8)
        if golden.name == "bloom-1b7" {
            // The ratios that transformers' own tests expect of it.
            #expect(abs(2 * Double(golden.parameters) / Double(golden.fourBit) - 2.109659552692574) < 1e-12)
            #expect(abs(2 * Double(golden.parameters) / Double(golden.int8) - 1.540025) < 5e-7)
        }
    }

    @Test("Every shape has its figures, and is found by its name")
    func all() {
        #expect(PublishedShape.all.map(\.name) == FamilyFootprintTests.goldens.map(\.name))
        #expect(PublishedShape.named("Llama-3.1-8B")?.name == "llama-3.1-8b" && PublishedShape.named("llama") == nil)
    }
}
