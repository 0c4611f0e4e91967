import BitsCore
import BitsKernels
import BitsQuant

/// What an optimizer remembers about one parameter.
final class ParameterState {
    /// Steps taken with a gradient.
    var step = 0
    let moments: [MomentSlice]
    /// The squared gradient norms of the last hundred steps, where steps are clipped to a percentile of them.
    var gradientNorms: Slice?
    /// What the moments lie in, where they are paged.
    let pages: Pager.Group

    init(moments: [MomentSlice], pages: Pager.Group) {
        self.moments = moments
        self.pages = pages
    }

    /// Whether the device had room for the moments.
    var hasMemory: Bool { moments.allSatisfy { $0.values.hasMemory && $0.blocks?.absmax.hasMemory != false } }

    /// Bytes of the moments, codebooks aside: those are shared.
    var byteCount: Int {
        moments.reduce(gradientNorms?.byteCount ?? 0) { $0 + $1.values.byteCount + ($1.blocks?.absmax.byteCount ?? 0) }
    }
}

/// The codebooks of 8-bit moments on one device.
struct MomentCodebooks {
    let signed: Slice
    let unsigned: Slice

    init(on device: Device) {
        signed = Codebook.dynamic.slice(on: device)
        unsigned = Codebook.dynamicUnsigned.slice(on: device)
    }

    func callAsFunction(isSigned: Bool) -> Slice { isSigned ? signed : unsigned }
}

extension ParameterState {
    /// The state of a parameter of `count` elements before its first step.
    ///
    /// - Parameter pager: where values are paged; scales are always in memory.
    convenience init(
        _ moments: [Moment], count: Int, blockSize: BlockSize?, codebooks: MomentCodebooks, pager: Pager?
    ) throws(OptimizerError) {
        let memory = MomentMemory(device: codebooks.signed.device, pager: pager)
        var slices = [MomentSlice]()
        for moment in moments {
            let values = try memory.allocate(blockSize == nil ? .float32 : .uint8, count: count)
            slices.append(moment.fresh(in: values, isZero: pager != nil, blockSize: blockSize?.count, codebooks: codebooks))
        }
        self.init(moments: slices, pages: memory.pages)
    }
}

extension Moment {
    /// The moment before the first step, in `values`.
    ///
    /// - Parameter isZero: whether the values are zero already; then they are not touched unless they have to be.
    func fresh(in values: Slice, isZero: Bool, blockSize: Int?, codebooks: MomentCodebooks) -> MomentSlice {
        let device = values.device
        guard let blockSize else {
            if !isZero || initialValue != 0 { device.run(Fill(Float(initialValue), into: values)) }
            return MomentSlice(values)
        }
        // All elements are alike, so each is its block's scale times one: the last code of either map.
        if !isZero || initialValue != 0 { device.run(Fill(initialValue == 0 ? 0 : 255, into: values)) }
        let absmax = device.allocate(.float32, count: blockCount(values.count, blockSize: blockSize))
        device.run(Fill(Float(initialValue), into: absmax))
        return MomentSlice(
            values, blocks: .init(absmax: absmax, codebook: codebooks(isSigned: isSigned), size: blockSize, isSigned: isSigned))
    }
}

extension MomentSlice {
    /// A copy in float32.
    func dequantized() -> Slice {
        let device = values.device
        let copy = device.allocate(.float32, count: values.count)
        if let blocks {
            device.run(DequantizeBlockwise(values, codebook: blocks.codebook, absmax: blocks.absmax, blockSize: blocks.size, into: copy))
        } else {
            let shape = [values.count]
            device.run(StridedCopy(from: StridedSlice(contiguous: values, shape: shape), to: StridedSlice(contiguous: copy, shape: shape)))
        }
        return copy
    }
}
