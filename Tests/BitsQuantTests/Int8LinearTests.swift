import BitsCore
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("LLM.int8() products")
struct Int8LinearTests {
    static let (m, n, k) = (6, 5, 32)
    static let weight = Tensor(HostileFloats.ordinary(count: n * k, seed: 1), shape: [n, k])
    static let bias = Tensor(HostileFloats.ordinary(count: n, seed: 2))

    /// Ordinary numbers, with two columns of large ones.
    static func input(_ dtype: DType = .float32) -> Tensor {
        var values = HostileFloats.ordinary(count: m * k, seed: 3)
        values[3] = 40
        values[2 * k + 17] = -7
        return Tensor(values, shape: [2, 3, k], dtype: dtype)
    }

    @Test("A layer is quantization, exact product and rescaling", arguments: [DType.float32, .float16, .bfloat16], [Float(0), 6])
    func parts(dtype: DType, threshold: Float) throws {
        let (x, weight) = (Int8LinearTests.input(dtype), Int8Tensor(weight: Int8LinearTests.weight))
        let (quantized, columns) = try x.quantizedInt8(outlierThreshold: threshold)
        let whole = x.linear(weight, bias: Int8LinearTests.bias, outlierThreshold: threshold)
        #expect(whole.shape == [2, 3, 5] && whole.dtype == dtype)
        #expect(columns == (threshold == 0 ? nil : [3, 17]))
        let mixed = x.int8MixedProduct(quantized: quantized, weight: weight, outlierColumns: columns ?? [], bias: Int8LinearTests.bias)
        #expect(try mixed.bytes() == whole.bytes())
        guard threshold == 0 else { return }
        let scaled = quantized.scaledProduct(weight, bias: Int8LinearTests.bias, to: dtype)
        #expect(try scaled.bytes() == whole.bytes())
        let product = quantized.codes.int8Product(weight.codes)
        #expect(product.shape == [2, 3, 5] && product.dtype == .int32)
        let rescaled = product.dequantizedInt8Product(
            rowScales: quantized.scales, columnScales: weight.scales, bias: Int8LinearTests.bias, to: dtype)
        #expect(try rescaled.bytes() == whole.bytes())
    }

    @Test("The product is that of double precision, within what rounding to int8 explains", arguments: [Float(0), 6])
    func accuracy(threshold: Float) throws {
        let (m, n, k) = (Int8LinearTests.m, Int8LinearTests.n, Int8LinearTests.k)
        let weight = Int8Tensor(weight: Int8LinearTests.weight)
        let x = Int8LinearTests.input()
        let found = try x.linear(weight, bias: Int8LinearTests.bias, outlierThreshold: threshold).floats()
        let (a, w, bias) = (try x.floats(), try weight.dequantized().floats(), try Int8LinearTests.bias.floats())
        for i in 0..<m {
            let row = a[i * k..<(i + 1) * k]
            let step = row.filter { threshold == 0 || abs($0) < threshold }.map { Double(abs($0)) }.max()! / 254
            for j in 0..<n {
                var (sum, bound) = (Double(bias[j]), 1e-5)
                for (t, value) in row.enumerated() {
                    sum += Double(value) * Double(w[j * k + t])
                    if threshold == 0 || ![3, 17].contains(t) { bound += step * Double(abs(w[j * k + t])) }
                }
                #expect(abs(Double(found[i * n + j]) - sum) <= bound)
            }
        }
    }

    @Test("A row with NaN comes out as NaN, one with an infinite outlier as infinite; others are untouched", arguments: [Float(0), 6])
    func nonFinite(threshold: Float) throws {
        let weight = Int8Tensor(weight: Int8LinearTests.weight)
        let clean = Tensor(HostileFloats.ordinary(count: 3 * 32, seed: 4), shape: [3, 32])
        var values = try clean.floats()
        values[5] = .nan
        values[64 + 9] = .infinity
        let found = try Tensor(values, shape: [3, 32]).linear(weight, outlierThreshold: threshold).floats()
        #expect(found[0..<5].allSatisfy { $0.isNaN })
        #expect(found[5..<10].allSatisfy { $0.isFinite })
        #expect(found[10..<15].allSatisfy { threshold == 0 ? $0.isNaN : $0.isInfinite })
    }

    @Test("The gradients are those of the dequantized weight", arguments: [DType.float32, .float16, .bfloat16])
    func inputGradient(dtype: DType) throws {
        let weight = Int8Tensor(weight: Int8LinearTests.weight)
        let (x, bias) = (Parameter(Int8LinearTests.input(dtype)), Parameter(Int8LinearTests.bias))
        let dy = Tensor(HostileFloats.ordinary(count: 30, seed: 5), shape: [2, 3, 5], dtype: dtype)
        x.tensor.linear(weight, bias: bias.tensor, outlierThreshold: 6).backward(from: dy)
        let expected = dy.cast(to: .float32).matrixProduct(weight.dequantized(to: dtype).cast(to: .float32))
        let found = try #require(x.gradient)
        #expect(found.dtype == dtype && found.shape == x.shape)
        let tolerance = dtype == .float32 ? 1e-6 : dtype == .float16 ? 1e-3 : 8e-3
        #expect(try largestDifference(found.floats(), from: expected.floats().map(Double.init)) < tolerance)
        #expect(try largestDifference(#require(bias.gradient).floats(), from: dy.reshaped(6, 5).sum(axis: 0).floats().map(Double.init)) < tolerance)
    }

    @Test("A trained weight has the gradient of the product, rounded to int8 but for outlier columns", arguments: [Float(0), 6])
    func weightGradient(threshold: Float) throws {
        let (m, n, k) = (Int8LinearTests.m, Int8LinearTests.n, Int8LinearTests.k)
        let (x, weight) = (Int8LinearTests.input(), Parameter(Int8LinearTests.weight))
        let dy = Tensor(HostileFloats.ordinary(count: m * n, seed: 6), shape: [2, 3, n])
        let y = x.linearInt8(weight.tensor, quantized: Int8Tensor(weight: weight.value), bias: Int8LinearTests.bias, outlierThreshold: threshold)
        #expect(try y.bytes() == x.linear(Int8Tensor(weight: weight.value), bias: Int8LinearTests.bias, outlierThreshold: threshold).bytes())
        y.backward(from: dy)
        let found = try #require(weight.gradient).floats()
        let (a, g) = (try x.floats(), try dy.floats())
        for j in 0..<n {
            for t in 0..<k {
                let (gs, xs) = ((0..<m).map { Double(g[$0 * n + j]) }, (0..<m).map { Double(a[$0 * k + t]) })
                let isOutlier = threshold > 0 && [3, 17].contains(t)
                let (gStep, xStep) = isOutlier ? (0, 0) : (gs.map(abs).max()! / 254, xs.map(abs).max()! / 254)
                let expected = zip(gs, xs).map(*).reduce(0, +)
                let bound = zip(gs, xs).map { abs($0) * xStep + abs($1) * gStep + gStep * xStep }.reduce(1e-5, +)
                #expect(abs(Double(found[j * k + t]) - expected) <= bound)
            }
        }
    }

    @Test("Nothing in, nothing out", arguments: [[0, 32], [2, 0, 32]])
    func empty(shape: [Int]) throws {
        let x = Parameter(Tensor.zeros(shape))
        let weight = Parameter(Int8LinearTests.weight)
        let y = x.tensor.linearInt8(weight.tensor, quantized: Int8Tensor(weight: weight.value), outlierThreshold: 6)
        #expect(y.shape == shape.dropLast() + [5])
        y.backward(from: Tensor.zeros(y.shape))
        #expect(try #require(x.gradient).shape == shape)
        #expect(try #require(weight.gradient).floats().allSatisfy { $0 == 0 })
    }

    @Test("A device with memory of its own gives the same")
    func deferred() throws {
        let device = Device.deferred()
        let weight = Int8Tensor(weight: Int8LinearTests.weight)
        let there = try weight.moved(to: device)
        #expect(there.device == device)
        let x = Int8LinearTests.input()
        let (here, away) = (x.linear(weight, outlierThreshold: 6), try x.moved(to: device).linear(there, outlierThreshold: 6))
        #expect(try largestDifference(away.floats(), from: here.floats().map(Double.init)) < 1e-6)
        let (a, b) = (try x.quantizedInt8(outlierThreshold: 6), try x.moved(to: device).quantizedInt8(outlierThreshold: 6))
        #expect(try b.tensor.codes.bytes() == a.tensor.codes.bytes())
        #expect(b.outlierColumns == a.outlierColumns)
        let indices = Tensor([Int32(4), 0, -1, 5])
        let rows = weight.rows(indices, dtype: .float32)
        #expect(try there.rows(indices.moved(to: device), dtype: .float32).bytes() == rows.bytes())
        #expect(try Array(rows.floats()[0..<32]) == Array(weight.dequantized().floats()[128..<160]))
        #expect(try rows.floats()[64...].allSatisfy { $0 == 0 })
    }
}
