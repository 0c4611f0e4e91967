import BitsCore
import BitsQuant

/// Quantizing and decoding a square matrix, results allocated each time.
func quantizationMeasurements() -> [Measurement] {
    let side = 4096
    @Sendable func square(_ dtype: DType) -> Tensor {
        var generator = RandomGenerator(seed: 1)
        return Tensor.normal([side, side], using: &generator, dtype: dtype)
    }
    let fourBit = [("f32", DType.float32), ("bf16", .bfloat16)].flatMap { short, dtype in
        [
            Measurement("quantize-nf4-\(short)", shape: "\(side)x\(side) block 64") {
                let weight = square(dtype)
                return {
                    _ = try weight.quantized(to: .nf4)
                    try weight.device.synchronize()
                }
            },
            Measurement("dequantize-nf4-\(short)", shape: "\(side)x\(side) block 64") {
                let weight = try square(dtype).quantized(to: .nf4)
                return {
                    _ = weight.dequantized()
                    try weight.device.synchronize()
                }
            },
        ]
    }
    let blockwise = [
        Measurement("quantize-8bit-f32", shape: "\(side)x\(side) block 256") {
            let weight = square(.float32)
            return {
                _ = weight.quantizedBlockwise(blockSize: .b256)
                try weight.device.synchronize()
            }
        },
        Measurement("dequantize-8bit-f32", shape: "\(side)x\(side) block 256") {
            let weight = square(.float32).quantizedBlockwise(blockSize: .b256)
            return {
                _ = weight.dequantized()
                try weight.codes.device.synchronize()
            }
        },
    ]
    return fourBit + blockwise
}
