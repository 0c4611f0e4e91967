import BitsCore
import BitsIO
import BitsNN
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Parity: LLM.int8()")
struct Int8ParityTests {
    @Test("Codes, scales and outlier columns are the recorded ones")
    func quantization() throws {
        let known: Set = ["int8_vectorwise_quant", "int8_vectorwise_dequant", "int8_linear_matmul", "int8_mm_dequant", "linear8bit"]
        #expect(try ParityCases.operations("int8") == known)
        try ParityCases.compare("int8", "int8_vectorwise_quant") { parityCase in
            let input = try parityCase.require("A")
            let (ours, columns) = try input.quantizedInt8(outlierThreshold: parityCase.arguments.require("threshold"))
            try compare(parityCase, "stats", ours.scales)
            let recorded = try parityCase.output("outlier_cols")?.integers()
            #expect(columns == recorded, "\(parityCase.id): outlier columns")
            let wrong = try firstWrongCode(ours, try parityCase.require("q"), input: input)
            #expect(wrong == nil, "\(parityCase.id): code \(wrong ?? 0)")
            return nil
        }
    }

    @Test("Recorded codes come back as recorded")
    func dequantization() throws {
        try ParityCases.compare("int8", "int8_vectorwise_dequant") { parityCase in
            let quantized = try Int8Tensor(codes: parityCase.require("q"), scales: parityCase.require("stats"))
            try compare(parityCase, "A", quantized.dequantized(to: .float32))
            return nil
        }
    }

    @Test("Products of codes, and what they stand for, are the recorded ones")
    func products() throws {
        try ParityCases.compare("int8", "int8_linear_matmul") { parityCase in
            try compare(parityCase, "C", try parityCase.require("A").int8Product(try parityCase.require("B")))
            return nil
        }
        try ParityCases.compare("int8", "int8_mm_dequant") { parityCase in
            let ours = try parityCase.require("C").dequantizedInt8Product(
                rowScales: parityCase.require("row_stats"), columnScales: parityCase.require("col_stats"), bias: parityCase.input("bias"))
            try compare(parityCase, "D", ours)
            return nil
        }
    }

    @Test("Layers with and without trained weights give the recorded outputs and gradients")
    func layers() throws {
        try ParityCases.compare("int8", "linear8bit") { parityCase in
            let threshold: Float = try parityCase.arguments.require("threshold")
            let trained: Bool = try parityCase.arguments.require("has_fp16_weights")
            let (x, w) = (Parameter(try parityCase.require("X")), Parameter(try parityCase.require("W")))
            let gradient = try parityCase.require("dY")
            let layer = Linear8bitLt(
                Linear(weight: w, bias: try parityCase.input("b").map { Parameter($0) }), keepsFloat16Weights: trained, outlierThreshold: threshold)
            let y = layer(x.tensor)
            try compare(parityCase, "Y", y)
            y.backward(from: gradient)
            try compare(parityCase, "dX", try #require(x.gradient))
            guard trained else { return nil }
            // The recorded dW rescales codes with the scales of others (behaviour of the reference, both versions), and counts what is small in outlier
            // columns twice: held here against the product itself, within what two roundings to int8 can do.
            let found = try #require(w.gradient)
            let excess = try weightGradientExcess(found, x: x.value, gradient: gradient, threshold: threshold)
            #expect(excess == nil, "\(parityCase.id): dW \(excess ?? "")")
            return nil
        }
    }

    /// The first code that is not the recorded one, nor one step from it because the reference's reciprocal is approximate on CUDA: the number is within 4
    /// units in the last place of halfway between the two.
    private func firstWrongCode(_ ours: Int8Tensor, _ recorded: Tensor, input: Tensor) throws -> Int? {
        let (found, expected) = (try ours.codes.integers(), try recorded.integers())
        let (x, scales) = (try input.floats(), try ours.scales.floats())
        #expect(ours.codes.shape == recorded.shape)
        return found.indices.first { i in
            let y = x[i] * (127 / scales[i / (x.count / scales.count)])
            let halfway = Float(found[i] + expected[i]) / 2
            return found[i] != expected[i] && !(abs(found[i] - expected[i]) == 1 && abs(y - halfway) <= 4 * halfway.ulp)
        }
    }

    private func compare(_ parityCase: ParityCase, _ name: String, _ actual: Tensor) throws {
        let difference = try parityCase.tolerance(name).difference(actual, try parityCase.require(name))
        #expect(difference == nil, "\(parityCase.id): \(name) \(difference ?? "")")
    }

    /// The first element of a weight gradient that is further from `gradientᵀ · x` in double precision than rounding to int8 explains: half a step of
    /// either factor's column, times the other factor.
    private func weightGradientExcess(_ found: Tensor, x: Tensor, gradient: Tensor, threshold: Float) throws -> String? {
        let (m, n, k) = (x.shape[0], gradient.shape[1], x.shape[1])
        let (a, g, found) = (try x.floats().map(Double.init), try gradient.floats().map(Double.init), try found.floats())
        func absmax(_ values: [Double], _ width: Int, _ column: Int) -> Double { (0..<m).map { abs(values[$0 * width + column]) }.max() ?? 0 }
        for j in 0..<n {
            for t in 0..<k {
                var (sum, bound) = (0.0, 1e-6)
                let (columnOfG, columnOfA) = (absmax(g, n, j), absmax(a, k, t))
                let (stepOfG, stepOfA) = threshold > 0 && columnOfA >= Double(threshold) ? (0, 0) : (columnOfG / 254, columnOfA / 254)
                for i in 0..<m {
                    sum += g[i * n + j] * a[i * k + t]
                    bound += stepOfG * abs(a[i * k + t]) + stepOfA * abs(g[i * n + j]) + stepOfA * stepOfG
                }
                bound += abs(sum) * 0x1p-11
                if abs(Double(found[j * k + t]) - sum) > 1.001 * bound { return "[\(j), \(t)] is \(found[j * k + t]), not \(sum) within \(bound)" }
            }
        }
        return nil
    }
}
