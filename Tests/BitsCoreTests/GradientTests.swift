import BitsCore
import Testing

@Suite("Gradients")
struct GradientTests {
    @Test("Every operation's gradient is what finite differences say", arguments: GradientCase.all)
    func finiteDifferences(example: GradientCase) throws {
        for (operand, difference) in try example.differences().enumerated() {
            #expect(difference < 5e-4, "operand \(operand)")
        }
    }

    @Test("An operand that wants no gradient gets none, and does not disturb the other", arguments: GradientCase.all.filter { $0.shapes.count > 1 })
    func oneOperand(example: GradientCase) throws {
        var random = RandomGenerator(seed: 2)
        let values = example.shapes.map { Tensor.uniform($0, in: example.range, using: &random) }
        let whole = values.map { Parameter($0) }
        example.operation(whole.map(\.tensor)).sum().backward()
        for wanted in values.indices {
            let parameters = values.indices.map { Parameter(values[$0], isTrainable: $0 == wanted) }
            example.operation(parameters.map(\.tensor)).sum().backward()
            for (index, parameter) in parameters.enumerated() {
                #expect(try parameter.gradient?.floats() == (index == wanted ? whole[index].gradient?.floats() : nil))
            }
        }
    }

    @Test("Gradients have their operand's type", arguments: [DType.bfloat16, .float16])
    func types(dtype: DType) throws {
        let narrow = Parameter(Tensor([Float]([1, 2]), dtype: dtype))
        let wide = Parameter(Tensor([Float]([3, 4])))
        let product = narrow.tensor * wide.tensor
        #expect(product.dtype == .float32)
        product.sum().backward()
        #expect(narrow.gradient?.dtype == dtype)
        #expect(wide.gradient?.dtype == .float32)
        #expect(try narrow.gradient?.floats() == [3, 4])
        #expect(try wide.gradient?.floats() == [1, 2])
        let cast = Parameter(Tensor([Float]([1, 2])))
        (cast.tensor.cast(to: dtype) * 3).sum().backward()
        #expect(cast.gradient?.dtype == .float32)
        #expect(try cast.gradient?.floats() == [3, 3])
    }

    @Test("Rows in another type than the table's have a gradient in the table's")
    func rowsInAnotherType() throws {
        let table = Parameter(Tensor([Float]([1, 2, 3, 4]), shape: [2, 2], dtype: .bfloat16))
        let rows = table.tensor.rows(Tensor([Int32]([1, 1])), dtype: .float32)
        #expect(rows.dtype == .float32)
        rows.sum().backward()
        #expect(table.gradient?.dtype == .bfloat16)
        #expect(try table.gradient?.floats() == [0, 0, 2, 2])
    }
}
