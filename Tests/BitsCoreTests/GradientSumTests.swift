import BitsCore
import Testing

/// 512 contributions of 2^-9 to 1: each is lost where a 16-bit sum is rounded, together they are 1.
@Suite("Sums of 16-bit gradients")
struct GradientSumTests {
    private static let small: Float = 0x1p-9
    private static let types: [DType] = [.bfloat16, .float16]

    /// `x + 2^-9 x + ... + 2^-9 x`, whose gradient is 2.
    private static func manyUses(_ x: Tensor) -> Tensor {
        // In float16, 2^-12 of them, to be lost there as well.
        let (count, share) = x.dtype == .bfloat16 ? (512, small) : (4096, small / 8)
        return (0..<count).reduce(x * 1) { sum, _ in sum + x * share }
    }

    @Test("A parameter's many uses in one pass add up in float32", arguments: types)
    func parameter(dtype: DType) throws {
        let p = Parameter(Tensor([Float]([1, -3]), dtype: dtype))
        Self.manyUses(p.tensor).backward()
        let gradient = try #require(p.gradient)
        #expect(gradient.dtype == dtype)
        #expect(try gradient.floats() == [2, 2])
    }

    @Test("So do those of a value in between", arguments: types)
    func activation(dtype: DType) throws {
        let p = Parameter(Tensor([Float]([1, -3]), dtype: dtype))
        Self.manyUses(p.tensor * 4).backward()
        #expect(try p.gradient?.floats() == [8, 8])
    }

    @Test("So do passes one after the other, though the sum is read between them")
    func passes() throws {
        let p = Parameter(Tensor([Float]([1, -3]), dtype: .bfloat16))
        (p.tensor * 1).backward()
        for _ in 0..<512 {
            (p.tensor * Self.small).backward()
            #expect(try #require(p.gradient).dtype == .bfloat16)
        }
        #expect(try p.gradient?.floats() == [2, 2])
    }

    @Test("A pass hands its sum to the next unrounded")
    func unrounded() throws {
        // Each pass gives 1 + 2^-9, which bfloat16 does not have; four of them 4 + 2^-7, two hundred and fifty-six 256.5.
        let p = Parameter(Tensor([Float]([1]), dtype: .bfloat16))
        for _ in 0..<512 { (p.tensor + p.tensor * Self.small).backward() }
        #expect(try p.gradient?.item() == 512)  // 513 rounded
        (p.tensor * 1).backward()
        (p.tensor * 1).backward()
        #expect(try p.gradient?.item() == 516)  // 515 rounded
    }

    @Test("What was broadcast over several axes is summed with one rounding")
    func broadcasting() throws {
        let p = Parameter(Tensor([Float]([1]), shape: [1, 1], dtype: .bfloat16))
        p.tensor.broadcast(to: [257, 3]).backward()
        #expect(try p.gradient?.item() == 772)  // 771; with the 257 rounded first it would be 768
    }

    @Test("A gradient that was read, or set, does not change when others are added")
    func values() throws {
        let p = Parameter(Tensor([Float]([1, 2])))
        let start = Tensor([Float]([10, 20]))
        p.gradient = start
        (p.tensor * 3).backward()
        let read = try #require(p.gradient)
        (p.tensor * 3).backward()
        #expect(try start.floats() == [10, 20])
        #expect(try read.floats() == [13, 23])
        #expect(try p.gradient?.floats() == [16, 26])
    }
}
