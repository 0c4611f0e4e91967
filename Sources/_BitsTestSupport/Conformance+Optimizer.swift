import BitsKernels

extension ConformanceCase {
    static var optimizer: [ConformanceCase] {
        floatTypes.flatMap { dtype in
            [false, true].map { inBlocks in
                ConformanceCase("adam on \(dtype.rawValue), moments in \(inBlocks ? 8 : 32) bits") { device in
                    adamStep(device, dtype, inBlocks: inBlocks)
                }
            }
                + [
                    ConformanceCase(dtype.rawValue) { device in
                        let result = device.output(.float32, count: 2)
                        return (VectorNorm(ordinary(device, 5001, 1, dtype), into: result), [KernelOutput("result", result)])
                    },
                    ConformanceCase(dtype.rawValue) { device in
                        let values = ordinary(device, 301, 2, dtype)
                        return (ScaleInPlace(values, by: device.input([0.7]), limit: 0.9), [KernelOutput("values", values)])
                    },
                ]
        } + [
            ConformanceCase("two gradients") { device in
                let result = device.output(.float32, count: 3)
                return (ClipToNorm([device.input([3, 0]), device.input([4, 1])], limit: 2, into: result), [KernelOutput("result", result)])
            },
            ConformanceCase("tenth percentile") { device in
                let history = positive(device, ClipToPercentile.historyCount, 3, .float32)
                let scale = device.output(.float32, count: 1)
                let kernel = ClipToPercentile(norm: device.input([1.5, 0]), history: history, step: 7, percentile: 10, scale: scale)
                return (kernel, [KernelOutput("history", history), KernelOutput("scale", scale)])
            },
        ]
    }

    private static func adamStep(_ device: Device, _ dtype: DType, inBlocks: Bool) -> (OptimizerStep, [KernelOutput]) {
        let (count, blockSize) = (1001, 256)
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
        let arithmetic = UpdateArithmetic(
            rule: .adam(ElementRule.Adam(beta1: 0.9, gain1: 0.1, beta2: 0.999, gain2: 0.001, epsilon: 1e-8)), step: -0.01)
        return (
            OptimizerStep(
                arithmetic, parameter: parameter, gradient: ordinary(device, count, 8, dtype), gradientScale: device.input([0.5]), moments: moments),
            outputs
        )
    }
}
