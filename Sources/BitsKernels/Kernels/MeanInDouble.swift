/// `mean[0]` = the mean of `input`, taken in double precision and rounded once to float32; 0 when there is no element.
///
/// The order of the sum is part of the contract: element i goes into running sum i mod 1024; then s[i] += s[i + h] for i < h, h = 512, 256, ..., 1.
package struct MeanInDouble: Kernel {
    package static let name = "mean_in_double"
    /// float32
    package var input: Slice
    /// float32 [1]
    package var mean: Slice

    package static let strands = 1024

    package init(_ input: Slice, into mean: Slice) {
        precondition(input.dtype == .float32 && mean.dtype == .float32 && mean.count == 1, "the mean of float32 elements is float32 [1]")
        (self.input, self.mean) = (input, mean)
    }

    package static let operandList: OperandList<Self> = [.reads("input", \.input), .writes("mean", \.mean)]
}
