import BitsKernels
import Testing
import _BitsTestSupport

@Suite("Operands")
struct OperandTests {
    @Test("Every kernel declares the operands that it holds, and does to each what it declares", arguments: ConformanceCase.all)
    func declarations(example: ConformanceCase) {
        #expect(example.declarationProblems() == [])
    }

    @Test("Operands are named in order, those of a group behind its name")
    func names() {
        let kernel = step(gradient: Device.cpu.slice([1, 2]))
        #expect(kernel.operands.map(\.name) == ["parameters[0].parameter", "parameters[0].gradient", "parameters[0].moments[0].values"])
        #expect(kernel.operands.map(\.access) == [.updates, .reads, .updates])
    }

    @Test("An operand on another device is told with its name and both devices")
    func misplaced() {
        var fitting = step(gradient: Device.cpu.slice([1, 2]))
        #expect(fitting.misplacement(on: .cpu) == nil)
        #expect(
            fitting.misplacement(on: .deferred()) == "optimizer_step on deferred: its operand 'parameters[0].parameter' lies on cpu; move it first")
        var straying = step(gradient: Device.deferred().slice([1, 2]))
        #expect(straying.misplacement(on: .cpu) == "optimizer_step on cpu: its operand 'parameters[0].gradient' lies on deferred; move it first")
    }

    @Test("Operands overlap only where the kernel works in place, and then wholly")
    func overlaps() {
        let values = Device.cpu.slice([1, 2, 3, 4])
        #expect(ScaleAndShift(values, scale: 2, into: values).overlap == nil)
        #expect(ScaleAndShift(values[0..<3], scale: 2, into: values[1..<4]).overlap == "scale_shift writes 'output' over 'input'")
        #expect(ScaleAndShift(values[0..<2], scale: 2, into: values[2..<4]).overlap == nil)
        #expect(Softmax(values, width: 2, into: values).overlap == "softmax writes 'output' over 'input'")
        let transposed = StridedSlice(values, shape: [2, 2], strides: [1, 2])
        let straight = StridedSlice(contiguous: values, shape: [2, 2])
        #expect(BinaryElementwise(.add, straight, straight, into: values).overlap == nil)
        #expect(BinaryElementwise(.add, straight, transposed, into: values).overlap == "binary writes 'output' over 'rhs'")
    }

    private func step(gradient: Slice) -> OptimizerStep {
        let update = ElementUpdate(.momentum(.init(beta: 0.9, gain: 0.1, isFirst: false)), step: -0.1)
        let parameter = Device.cpu.slice([1, 2])
        return OptimizerStep([ParameterStep(update, parameter: parameter, gradient: gradient, moments: [MomentSlice(Device.cpu.slice([0, 0]))])])
    }
}
