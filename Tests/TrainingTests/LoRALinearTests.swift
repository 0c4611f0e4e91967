import BitsCore
import BitsNN
import BitsTune
import Testing

@Suite("Layers with a low-rank update")
struct LoRALinearTests {
    @Test("The update's products round their operands as the policy has all products do, the factors stay", arguments: [DType.bfloat16, .float16])
    func policy(products: DType) throws {
        let fine: Float = 1 + 0x1p-13
        let layer = LoRALinear(
            base: Linear(weight: Parameter(.zeros([1, 1]))), down: Parameter(Tensor([fine], shape: [1, 1])), up: Parameter(.ones([1, 1])), scale: 1)
        #expect(try layer(.ones([1, 1])).item() == fine)
        layer.apply(ComputePolicy(products: products))
        #expect(try layer(.ones([1, 1])).item() == 1)
        #expect(try layer.down.value.item() == fine)
        layer.apply(.float32)
        #expect(try layer(.ones([1, 1])).item() == fine)
    }
}
