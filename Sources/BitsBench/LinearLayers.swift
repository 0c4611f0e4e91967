import BitsCore
import BitsQuant

/// A linear layer with a 4-bit weight, doubly quantized, on bfloat16 activations, a measurement for each number of rows.
func linearMeasurements(on device: Device) -> [Measurement] {
    let (outFeatures, inFeatures) = device.size((5632, 2048), gpu: (14336, 4096))
    return device.size([1, 16, 512], gpu: [1, 4, 16, 64, 512, 2048]).map { rows in
        Measurement("linear-nf4-dq-m\(rows)", shape: "[\(rows),\(inFeatures)] x [\(outFeatures),\(inFeatures)] bf16", on: device) {
            var generator = RandomGenerator(seed: 1)
            let weights = try (0..<device.rotation(byteCount: outFeatures * inFeatures / 2)).map { _ in
                try Tensor.normal([outFeatures, inFeatures], standardDeviation: 0.02, using: &generator, dtype: .bfloat16, device: device)
                    .quantized(to: .nf4, doubleQuantization: true)
            }
            let x = Tensor.normal([rows, inFeatures], using: &generator, dtype: .bfloat16, device: device)
            var turn = 0
            return {
                _ = x.linear(weights[turn % weights.count])
                turn += 1
            }
        }
    }
}

/// A linear layer with an int8 weight at threshold 6, on bfloat16 activations of which one column of 512 is an outlier, a measurement for each number of rows.
func int8LinearMeasurements(on device: Device) -> [Measurement] {
    let (outFeatures, inFeatures) = device.size((5632, 2048), gpu: (14336, 4096))
    return device.size([1, 16, 512], gpu: [1, 16, 512, 2048]).map { rows in
        Measurement("linear-int8-m\(rows)", shape: "[\(rows),\(inFeatures)] x [\(outFeatures),\(inFeatures)] bf16", on: device) {
            var generator = RandomGenerator(seed: 1)
            let weights = (0..<device.rotation(byteCount: outFeatures * inFeatures)).map { _ in
                Int8Tensor(
                    weight: Tensor.normal(
                        [outFeatures, inFeatures], standardDeviation: 0.02, using: &generator, dtype: .bfloat16, device: device))
            }
            let outliers = Tensor(
                (0..<inFeatures).map { (column: Int) -> Float in column % 512 == 5 ? 20 : 0 }, dtype: .bfloat16, device: device)
            let x = Tensor.normal([rows, inFeatures], using: &generator, dtype: .bfloat16, device: device) + outliers
            var turn = 0
            return {
                _ = x.linear(weights[turn % weights.count], outlierThreshold: 6)
                turn += 1
            }
        }
    }
}
