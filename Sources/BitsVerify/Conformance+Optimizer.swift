import BitsKernels

extension ConformanceCase {
    static var optimizer: [ConformanceCase] {
        floatTypes.flatMap { dtype in
            [false, true].map { inBlocks in
                ConformanceCase("adam on two parameters in \(dtype.rawValue), moments in \(inBlocks ? 8 : 32) bits") { device in
                    let steps = [1001, 300].map { adamStep(device, dtype, count: $0, inBlocks: inBlocks) }
                    return (OptimizerStep(steps.map(\.0)), steps.flatMap(\.1))
                }
            }
                + [
                    ConformanceCase(dtype.rawValue) { device in
                        let result = device.output(.float32, count: 4)
                        let inputs = [ordinary(device, 5001, 1, dtype), ordinary(device, 77, 9, dtype)]
                        return (VectorNorm(inputs, into: result), [KernelOutput("result", result)])
                    },
                    ConformanceCase(dtype.rawValue) { device in
                        let values = [ordinary(device, 301, 2, dtype), ordinary(device, 5, 10, dtype)]
                        let kernel = ScaleInPlace(values, by: device.input([0.7]), limit: 0.9)
                        return (kernel, [KernelOutput("first values", values[0]), KernelOutput("second values", values[1])])
                    },
                ]
        } + [
            ConformanceCase("two gradients") { device in
                let result = device.output(.float32, count: 3)
                return (ClipToNorm(device.input([3, 0, 4, 1]), scale: 0.5, limit: 2, into: result), [KernelOutput("result", result)])
            },
            ConformanceCase("tenth percentile, and a first step") { device in
                let histories = [3, 4].map { positive(device, ClipToPercentile.historyCount, $0, .float32) }
                let factors = device.output(.float32, count: 2)
                let gradients = [(7, 10), (1, 50)].enumerated().map { i, gradient in
                    ClipToPercentile.Gradient(history: histories[i], step: gradient.0, percentile: gradient.1)
                }
                let kernel = ClipToPercentile(gradients, norms: device.input([1.5, 0, 4, 2]), scale: 0.5, into: factors)
                return (kernel, histories.map { KernelOutput("history", $0) } + [KernelOutput("factors", factors)])
            },
        ]
    }

    private static func adamStep(_ device: Device, _ dtype: DType, count: Int, inBlocks: Bool) -> (ParameterStep, [KernelOutput]) {
        let blockSize = 256
        let parameter = ordinary(device, count, 4, dtype)
        var outputs = [KernelOutput("parameter", parameter)]
        let moments = [true, false].map { isSigned -> MomentSlice in
            let values: Slice
            var blocks: MomentSlice.Blocks?
            if inBlocks {
                values = device.integers((0..<count).map { $0 * 37 % 256 }, as: .uint8)
                let absmax = positive(device, blockCount(count, blockSize: blockSize), 5, .float32)
                let codebook = device.input((0..<256).map { (i: Int) -> Float in isSigned ? Float(i - 127) / 128 : Float(i) / 255 })
                blocks = MomentSlice.Blocks(absmax: absmax, codebook: codebook, size: blockSize, isSigned: isSigned)
                outputs.append(KernelOutput("absmax", absmax))
            } else {
                values = isSigned ? ordinary(device, count, 6, .float32) : positive(device, count, 7, .float32)
            }
            outputs.append(KernelOutput("moment", values))
            return MomentSlice(values, blocks: blocks)
        }
        let rule = ElementRule.adam(ElementRule.Adam(beta1: 0.9, gain1: 0.1, beta2: 0.999, gain2: 0.001, epsilon: 1e-8))
        let step = ParameterStep(
            ElementUpdate(rule, step: -0.01), parameter: parameter, gradient: ordinary(device, count, 8, dtype), gradientScale: device.input([0.5]),
            moments: moments)
        return (step, outputs)
    }
}
