import BitsCore
import BitsQuant

/// A linear layer with a 4-bit weight, doubly quantized, on bfloat16 activations of 1, 16 and 512 rows.
func linearMeasurements() -> [Measurement] {
    let (outFeatures, inFeatures) = (5632, 2048)
    return [1, 16, 512].map { rows in
        Measurement("linear-nf4-dq-m\(rows)", shape: "[\(rows),\(inFeatures)] x [\(outFeatures),\(inFeatures)] bf16") {
            var generator = RandomGenerator(seed: 1)
            let weight = try Tensor.normal([outFeatures, inFeatures], standardDeviation: 0.02, using: &generator, dtype: .bfloat16)
                .quantized(to: .nf4, doubleQuantization: true)
            let x = Tensor.normal([rows, inFeatures], using: &generator, dtype: .bfloat16)
            return {
                _ = x.linear(weight)
                try x.device.synchronize()
            }
        }
    }
}

/// A linear layer with an int8 weight at threshold 6, on bfloat16 activations of 1, 16 and 512 rows, four of whose columns are outliers.
func int8LinearMeasurements() -> [Measurement] {
    let (outFeatures, inFeatures) = (5632, 2048)
    return [1, 16, 512].map { rows in
        Measurement("linear-int8-m\(rows)", shape: "[\(rows),\(inFeatures)] x [\(outFeatures),\(inFeatures)] bf16") {
            var generator = RandomGenerator(seed: 1)
            let weight = Int8Tensor(
                weight: Tensor.normal([outFeatures, inFeatures], standardDeviation: 0.02, using: &generator, dtype: .bfloat16))
            let outliers = Tensor((0..<inFeatures).map { (column: Int) -> Float in column % 512 == 5 ? 20 : 0 }, dtype: .bfloat16)
            let x = Tensor.normal([rows, inFeatures], using: &generator, dtype: .bfloat16) + outliers
            return {
                _ = x.linear(weight, outlierThreshold: 6)
                try x.device.synchronize()
            }
        }
    }
}
