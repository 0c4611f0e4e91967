/// One step of an optimizer on many parameters, in place and in one launch: each parameter and its moments change as its ``ElementUpdate`` says.
///
/// What belongs to one parameter is data of the launch; parameters share no memory but codebooks, so the order in which they change does not matter,
/// and they change as they would one by one.
package struct OptimizerStep: Kernel {
    package static let name = "optimizer_step"
    package var parameters: [ParameterStep]
    /// The steps on the same parameters that this is one of; nil where it is the only one.
    package var series: StepSeries?

    package init(_ parameters: [ParameterStep], in series: StepSeries? = nil) { (self.parameters, self.series) = (parameters, series) }

    package static let operandList: OperandList<Self> = [.group("parameters", \.parameters)]
}

/// One parameter's part of an ``OptimizerStep``.
///
/// A moment in 8 bits is read as `fl(codebook[code] * absmax[block])`. It is written per block with its new `absmax = max |s|` (NaN left out) as
/// `nearest(codebook, fl(s * fl(1 / max(absmax, 2^-126))))` with the `nearest` of ``QuantizeBlockwise``: zero gets the code of zero, also in a block of
/// zeros. Where the moment is signed and s is not zero, a code whose value has the other sign gives way to its neighbour: a small moment may shrink but
/// not turn round.
package struct ParameterStep: OperandGroup {
    /// What happens to each element.
    package var update: ElementUpdate
    /// float32, float16 or bfloat16; changed in place
    package var parameter: Slice
    /// float32, float16 or bfloat16
    package var gradient: Slice
    /// float32 [1]; nil for 1
    package var gradientScale: Slice?
    /// In the order that the rule counts them; changed in place. All in float32, or all in 8 bits with one block size.
    package var moments: [MomentSlice]

    package init(_ update: ElementUpdate, parameter: Slice, gradient: Slice, gradientScale: Slice? = nil, moments: [MomentSlice]) {
        precondition(gradient.count == parameter.count, "\(gradient.count) gradients for \(parameter.count) elements")
        precondition(
            parameter.dtype.isFloatingPoint && gradient.dtype.isFloatingPoint,
            "a \(parameter.dtype.rawValue) parameter with a \(gradient.dtype.rawValue) gradient")
        precondition(moments.count <= 3, "\(moments.count) moments")
        for moment in moments {
            precondition(moment.values.count == parameter.count, "a moment of \(moment.values.count) for \(parameter.count) elements")
            precondition(moment.blocks?.size == moments[0].blocks?.size, "moments stored in different ways")
        }
        (self.update, self.parameter, self.gradient, self.gradientScale, self.moments) = (update, parameter, gradient, gradientScale, moments)
    }

    package static let operandList: OperandList<Self> = [
        .updates("parameter", \.parameter), .reads("gradient", \.gradient), .reads("gradientScale", \.gradientScale), .group("moments", \.moments),
    ]
}

/// One moment of every element of a parameter.
package struct MomentSlice: OperandGroup {
    /// What turns codes into values.
    package struct Blocks: OperandGroup {
        /// float32 [blocks]
        package var absmax: Slice
        /// float32 [256], ascending
        package var codebook: Slice
        /// Elements per block: 32, 64, ... or 16384.
        package var size: Int
        /// Whether a code has the sign of what it stands for.
        package var isSigned: Bool

        package init(absmax: Slice, codebook: Slice, size: Int, isSigned: Bool) {
            precondition(size >= 32 && size <= 16384 && size & (size - 1) == 0, "block size \(size)")
            precondition(absmax.dtype == .float32, "scales are float32, not \(absmax.dtype.rawValue)")
            precondition(
                codebook.count == 256 && codebook.dtype == .float32, "a codebook is float32 [256], not \(codebook.dtype.rawValue) [\(codebook.count)]"
            )
            (self.absmax, self.codebook, self.size, self.isSigned) = (absmax, codebook, size, isSigned)
        }

        package static let operandList: OperandList<Self> = [.updates("absmax", \.absmax), .reads("codebook", \.codebook)]
    }

    /// float32, or uint8 codes where there are blocks
    package var values: Slice
    package var blocks: Blocks?

    package init(_ values: Slice, blocks: Blocks? = nil) {
        precondition(values.dtype == (blocks == nil ? .float32 : .uint8), "moments in \(values.dtype.rawValue)")
        if let blocks {
            precondition(
                blocks.absmax.count == blockCount(values.count, blockSize: blocks.size), "\(blocks.absmax.count) scales for \(values.count) elements")
        }
        (self.values, self.blocks) = (values, blocks)
    }

    package static let operandList: OperandList<Self> = [.updates("values", \.values), .parts(\.blocks)]
}
