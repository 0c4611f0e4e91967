import BitsCore
import BitsKernels
import BitsQuant

/// What an optimizer remembers about one parameter.
final class ParameterState {
    /// Steps taken with a gradient.
    var step = 0
    var moments: [MomentSlice]
    /// The squared gradient norms of the last hundred steps, where steps are clipped to a percentile of them.
    var gradientNorms: Slice?

    init(moments: [MomentSlice]) { self.moments = moments }

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
}

extension Moment {
    /// A moment of `count` elements before the first step.
    func fresh(_ count: Int, blockSize: BlockSize?, codebooks: MomentCodebooks) -> MomentSlice {
        let device = codebooks.signed.device
        guard let blockSize else {
            let values = device.allocate(.float32, count: count)
            device.run(Fill(Float(initialValue), into: values))
            return MomentSlice(values)
        }
        // All elements are alike, so each is its block's scale times one: the last code of either map.
        let codes = device.allocate(.uint8, count: count)
        let absmax = device.allocate(.float32, count: blockCount(count, blockSize: blockSize.count))
        device.run(Fill(initialValue == 0 ? 0 : 255, into: codes))
        device.run(Fill(Float(initialValue), into: absmax))
        let codebook = isSigned ? codebooks.signed : codebooks.unsigned
        return MomentSlice(codes, blocks: .init(absmax: absmax, codebook: codebook, size: blockSize.count, isSigned: isSigned))
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
