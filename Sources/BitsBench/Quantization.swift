import BitsCore
import BitsQuant

/// Quantizing and decoding a square matrix, results allocated each time.
func quantizationMeasurements(on device: Device) -> [Measurement] {
    let side = device.size(4096, gpu: 16384)
    @Sendable func square(_ dtype: DType) -> Tensor {
        var generator = RandomGenerator(seed: 1)
        return Tensor.normal([side, side], using: &generator, dtype: dtype, device: device)
    }
    let fourBit = [("f32", DType.float32), ("bf16", .bfloat16)].flatMap { short, dtype in
        [
            Measurement("quantize-nf4-\(short)", shape: "\(side)x\(side) block 64", on: device) {
                let weight = square(dtype)
                return { _ = try weight.quantized(to: .nf4) }
            },
            Measurement("dequantize-nf4-dq-\(short)", shape: "\(side)x\(side) block 64, double quantization", on: device) {
                let weight = try square(dtype).quantized(to: .nf4, doubleQuantization: true)
                return { _ = weight.dequantized() }
            },
            Measurement("dequantize-nf4-\(short)", shape: "\(side)x\(side) block 64", on: device) {
                let weight = try square(dtype).quantized(to: .nf4)
                return { _ = weight.dequantized() }
            },
        ]
    }
    let blockwise = [("f32", DType.float32), ("bf16", .bfloat16)].flatMap { short, dtype in
        [
            Measurement("quantize-8bit-\(short)", shape: "\(side)x\(side) block 256", on: device) {
                let weight = square(dtype)
                return { _ = weight.quantizedBlockwise(blockSize: .b256) }
            },
            Measurement("dequantize-8bit-\(short)", shape: "\(side)x\(side) block 256", on: device) {
                let weight = square(dtype).quantizedBlockwise(blockSize: .b256)
                return { _ = weight.dequantized() }
            },
        ]
    }
    return fourBit + blockwise
}
