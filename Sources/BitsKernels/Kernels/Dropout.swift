/// Drops elements at random: `output[i] = fl(input[i] * m)` with m = 0 where word i of ``stream`` is below `rate * 2^32`, elsewhere
/// `fl(1 / fl(1 - rate))`. NaN and infinities become NaN where they are dropped.
///
/// The mask is nowhere stored: the gradient of the output goes through the same kernel, with the same stream.
/// Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting".
package struct Dropout: Kernel {
    package static let name = "dropout"
    /// float32, float16 or bfloat16
    package var input: Slice
    /// From 0 to below 1.
    package var rate: Float
    package var stream: RandomStream
    /// float32, float16 or bfloat16; may be the input
    package var output: Slice

    package init(_ input: Slice, rate: Float, from stream: RandomStream, into output: Slice) {
        precondition(rate >= 0 && rate < 1, "a dropout rate of \(rate)")
        precondition(
            input.count == output.count && input.dtype.isFloatingPoint && output.dtype.isFloatingPoint,
            "dropout of \(input.count) \(input.dtype.rawValue) into \(output.count) \(output.dtype.rawValue)")
        (self.input, self.rate, self.stream, self.output) = (input, rate, stream, output)
    }

    package static let operandList: OperandList<Self> = [.reads("input", \.input, inPlace: true), .writes("output", \.output)]

    /// Words below it drop their element.
    var threshold: UInt32 { UInt32(rate * 0x1p32) }
    /// What the others are multiplied by.
    var gain: Float { 1 / (1 - rate) }
}
