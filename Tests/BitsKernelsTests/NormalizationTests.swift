import BitsKernels
import Testing
import _BitsTestSupport

@Suite("Norms")
struct NormalizationTests {
    static let floats: [DType] = [.float32, .float16, .bfloat16]
    static let sizes = [(0, 8), (1, 1), (1, 768), (3, 17), (5, 64), (40, 100), (7, 1025), (600, 256)]

    @Test("RMS norm and its gradients", arguments: floats, floats)
    func rmsNorm(dtype: DType, weightType: DType) throws {
        for (rows, width) in NormalizationTests.sizes {
            let input = Device.tested.input(HostileFloats.ordinary(count: rows * width, seed: 1), as: dtype)
            let weight = Device.tested.input(HostileFloats.ordinary(count: width, seed: 2), as: weightType)
            let output = Device.tested.output(dtype, count: rows * width)
            let reciprocal = Device.tested.output(.float32, count: rows)
            let kernel = RMSNorm(input, weight: weight, epsilon: 1e-5, into: output, reciprocal: reciprocal)
            #expect(
                try deviationsFromReference(
                    kernel,
                    outputs: [
                        KernelOutput("output", output, absolute: 1e-7, relative: 1e-6), KernelOutput("reciprocal", reciprocal, relative: 5e-7),
                    ]) == [])
            let gradient = Device.tested.input(HostileFloats.ordinary(count: rows * width, seed: 3), as: dtype)
            let dInput = Device.tested.output(dtype, count: rows * width)
            let dWeight = Device.tested.output(.float32, count: width)
            let backward = RMSNormGradient(
                input: input, weight: weight, reciprocal: reciprocal, outputGradient: gradient, inputGradient: dInput, weightGradient: dWeight)
            #expect(
                try deviationsFromReference(
                    backward,
                    outputs: [
                        KernelOutput("input gradient", dInput, absolute: 4e-6, relative: 2e-6),
                        KernelOutput("weight gradient", dWeight, absolute: 1e-4, relative: 2e-6),
                    ]) == [])
        }
    }

    @Test("Layer norm and its gradients", arguments: floats, [true, false])
    func layerNorm(dtype: DType, affine: Bool) throws {
        for (rows, width) in NormalizationTests.sizes where width > 1 {
            let input = Device.tested.input(HostileFloats.ordinary(count: rows * width, seed: 4).map { $0 + 3 }, as: dtype)
            let weight = affine ? Device.tested.input(HostileFloats.ordinary(count: width, seed: 5), as: .float32) : nil
            let bias = affine ? Device.tested.input(HostileFloats.ordinary(count: width, seed: 6), as: dtype) : nil
            let output = Device.tested.output(dtype, count: rows * width)
            let mean = Device.tested.output(.float32, count: rows)
            let reciprocal = Device.tested.output(.float32, count: rows)
            let kernel = LayerNorm(
                input, width: width, weight: weight, bias: bias, epsilon: 1e-5, into: output, mean: mean, reciprocal: reciprocal)
            #expect(
                try deviationsFromReference(
                    kernel,
                    outputs: [
                        KernelOutput("output", output, absolute: 6e-6, relative: 2e-6), KernelOutput("mean", mean, relative: 1e-6),
                        KernelOutput("reciprocal", reciprocal, relative: 2e-6),
                    ]) == [])
            let gradient = Device.tested.input(HostileFloats.ordinary(count: rows * width, seed: 7), as: dtype)
            let dInput = Device.tested.output(dtype, count: rows * width)
            let dWeight = Device.tested.output(.float32, count: width)
            let dBias = Device.tested.output(.float32, count: width)
            let backward = LayerNormGradient(
                input: input, width: width, weight: weight, mean: mean, reciprocal: reciprocal, outputGradient: gradient, inputGradient: dInput,
                weightGradient: affine ? dWeight : nil, biasGradient: dBias)
            #expect(
                try deviationsFromReference(
                    backward,
                    outputs: [
                        KernelOutput("input gradient", dInput, absolute: 8e-6, relative: 2e-6),
                        KernelOutput("weight gradient", dWeight, absolute: 1e-4, relative: 2e-6),
                        KernelOutput("bias gradient", dBias, absolute: 1e-4, relative: 2e-6),
                    ]) == [])
        }
    }

    @Test("Rows of zeros and of huge numbers stay finite or give what the formula gives")
    func extremes() throws {
        let width = 20
        let rows: [Float] = [0, 1e-30, 1e15, .nan]
        let input = Device.tested.input(rows.flatMap { [Float](repeating: $0, count: width) })
        let weight = Device.tested.input([Float](repeating: 2, count: width))
        let output = Device.tested.output(.float32, count: rows.count * width)
        let kernel = RMSNorm(input, weight: weight, epsilon: 1e-6, into: output, reciprocal: nil)
        #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("output", output, relative: 1e-6)]) == [])
    }

    @Test("The reference's gradients agree with differences of its values", arguments: [false, true])
    func differences(isLayerNorm: Bool) throws {
        let (rows, width) = (3, 6)
        let point = HostileFloats.ordinary(count: rows * width, seed: 8)
        let weight = HostileFloats.ordinary(count: width, seed: 9)
        let bias = HostileFloats.ordinary(count: width, seed: 10)
        let slopes = HostileFloats.ordinary(count: rows * width, seed: 11)
        let memory = DeviceMemory()
        let device = Device.tested
        let output = device.allocate(.float32, count: rows * width)
        let mean = device.allocate(.float32, count: rows)
        let reciprocal = device.allocate(.float32, count: rows)
        func loss(_ x: [Float], _ weight: [Float], _ bias: [Float]) -> Double {
            if isLayerNorm {
                LayerNorm(
                    device.slice(x), width: width, weight: device.slice(weight), bias: device.slice(bias), epsilon: 1e-5, into: output, mean: mean,
                    reciprocal: reciprocal
                ).reference(memory)
            } else {
                RMSNorm(device.slice(x), weight: device.slice(weight), epsilon: 1e-5, into: output, reciprocal: reciprocal).reference(memory)
            }
            return zip(memory.floats(output), slopes).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        let expectedInput = finiteDifferences(at: point) { loss($0, weight, bias) }
        let expectedWeight = finiteDifferences(at: weight) { loss(point, $0, bias) }
        let expectedBias = finiteDifferences(at: bias) { loss(point, weight, $0) }
        _ = loss(point, weight, bias)
        let dInput = device.allocate(.float32, count: rows * width)
        let dWeight = device.allocate(.float32, count: width)
        let dBias = device.allocate(.float32, count: width)
        if isLayerNorm {
            LayerNormGradient(
                input: device.slice(point), width: width, weight: device.slice(weight), mean: mean, reciprocal: reciprocal,
                outputGradient: device.slice(slopes), inputGradient: dInput, weightGradient: dWeight, biasGradient: dBias
            ).reference(memory)
            #expect(largestDifference(memory.floats(dBias), from: expectedBias) < 1e-4)
        } else {
            RMSNormGradient(
                input: device.slice(point), weight: device.slice(weight), reciprocal: reciprocal, outputGradient: device.slice(slopes),
                inputGradient: dInput, weightGradient: dWeight
            ).reference(memory)
        }
        #expect(largestDifference(memory.floats(dInput), from: expectedInput) < 1e-3)
        #expect(largestDifference(memory.floats(dWeight), from: expectedWeight) < 1e-4)
    }
}
