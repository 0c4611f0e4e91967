import BitsCore
import BitsIO
import BitsKernels
import BitsSystem
import BitsQuant

/// Reads one parameter's state from a file, checking every entry.
struct StateReader {
    let file: StateFile
    let entries: [String: SafetensorsEntry]
    let parameter: Parameter
    let name: String
    let rule: any UpdateRule
    let codebooks: MomentCodebooks
    let memory: MomentMemory

    func state() throws(OptimizerError) -> ParameterState {
        let step = try file.steps(try entry("step"))
        let kinds = rule.moments
        var moments = [MomentSlice]()
        for (number, range) in rule.momentEntries.enumerated() {
            if number > 0, entries["state\(number + 1)"] == nil, file.isForeign, rule is RMSprop {
                // bitsandbytes writes the momentum of RMSprop, but takes no notice of it.
                moments.append(try fresh(kinds[range.lowerBound], beside: moments[0]))
                continue
            }
            let values = try entry("state\(number + 1)")
            let shape = (range.count > 1 ? [range.count] : []) + parameter.shape
            guard values.shape == shape else { throw unsuitable("'\(values.name)' has shape \(values.shape); \(shape) was expected") }
            guard values.dtype == .float32 || values.dtype == .uint8 else {
                throw unsuitable("'\(values.name)' is \(values.typeName); F32 or U8 was expected")
            }
            if values.dtype == .uint8, let objection = rule.objectionTo8Bits { throw unsuitable(objection) }
            let whole = try file.slice(values, on: parameter.device)
            for (place, moment) in range.enumerated() {
                var part = whole[place * parameter.count..<(place + 1) * parameter.count]
                var blocks: MomentSlice.Blocks?
                if values.dtype == .uint8 {
                    let (codebook, order) = try codebook(try entry("qmap\(number + 1)"), isSigned: kinds[moment].isSigned)
                    if let order { part = try ranks(of: part, in: order) }
                    blocks = try self.blocks(number + 1, place, of: range.count, codebook: codebook, isSigned: kinds[moment].isSigned)
                }
                moments.append(MomentSlice(copied(part, into: try memory.allocate(part.dtype, count: part.count)), blocks: blocks))
            }
        }
        if let extra = entries["state\(rule.momentEntries.count + 1)"] {
            throw unsuitable("it has '\(extra.name)', a moment that \(type(of: rule).name) does not keep with these settings")
        }
        guard moments.allSatisfy({ $0.blocks?.size == moments[0].blocks?.size }) else { throw unsuitable("its moments are stored in different ways") }
        let state = ParameterState(moments: moments, pages: memory.pages)
        state.step = step
        if let norms = entries["gnorm_vec"] {
            guard norms.shape == [ClipToPercentile.historyCount], norms.dtype == .float32 else {
                throw unsuitable("'\(norms.name)' is \(norms.typeName) of shape \(norms.shape); F32 of shape [100] was expected")
            }
            _ = try file.magnitudes(norms, upTo: .infinity)  // squares, which may be too large
            let source = try file.slice(norms, on: parameter.device)
            state.gradientNorms = copied(source, into: parameter.device.allocate(.float32, count: source.count))
        }
        do { try parameter.device.synchronize() } catch { throw .device(error) }
        return state
    }

    /// Scales of part `place` of entry `number`, with its codebook.
    private func blocks(
        _ number: Int, _ place: Int, of parts: Int, codebook: Slice, isSigned: Bool
    ) throws(OptimizerError) -> MomentSlice.Blocks {
        if entries["absmax\(number)"] == nil, let largest = entries["max\(number)"] {
            // One scale for all elements, as bitsandbytes had it before 0.50 where block_wise was off.
            guard let value = try file.magnitudes(largest).first, largest.shape == [1] else {
                throw unsuitable("'\(largest.name)' has shape \(largest.shape); [1] was expected")
            }
            let absmax = parameter.device.allocate(.float32, count: blockCount(parameter.count, blockSize: BlockSize.statistics.count))
            parameter.device.run(Fill(value, into: absmax))
            return .init(absmax: absmax, codebook: codebook, size: BlockSize.statistics.count, isSigned: isSigned)
        }
        let scales = try entry("absmax\(number)")
        let count = scales.shape.last ?? 0
        guard let size = StateReader.blockSize(elements: parameter.count, blocks: count), scales.dtype == .float32,
            scales.shape == (parts > 1 ? [parts] : []) + [count]
        else {
            throw unsuitable(
                "'\(scales.name)' is \(scales.typeName) of shape \(scales.shape), which suits no block size for \(parameter.count) elements")
        }
        _ = try file.magnitudes(scales)
        let whole = try file.slice(scales, on: parameter.device)
        let absmax = copied(whole[place * count..<(place + 1) * count], into: parameter.device.allocate(.float32, count: count))
        return .init(absmax: absmax, codebook: codebook, size: size, isSigned: isSigned)
    }

    /// The block size with which `elements` make that many blocks: 256 today, 2048 before bitsandbytes 0.44. Two sizes give the same number only where
    /// that is one.
    static func blockSize(elements: Int, blocks: Int) -> Int? {
        let preferred = [BlockSize.statistics.count, BlockSize.b2048.count] + BlockSize.supported
        return preferred.first { blockCount(elements, blockSize: $0) == blocks }
    }

    /// A stored codebook in ascending order, and the code of each value where that is not its rank. It is used even where its writer damaged it; the usual
    /// ones are shared.
    private func codebook(_ entry: SafetensorsEntry, isSigned: Bool) throws(OptimizerError) -> (values: Slice, order: [UInt8]?) {
        guard entry.shape == [256], entry.dtype == .float32 else {
            throw unsuitable("'\(entry.name)' is \(entry.typeName) of shape \(entry.shape); F32 of shape [256] was expected")
        }
        let values = try file.floats(entry)
        if values == (isSigned ? Codebook.dynamic : Codebook.dynamicUnsigned).values { return (codebooks(isSigned: isSigned), nil) }
        do {
            let (sorted, order) = try Codebook(values).sorted
            return (parameter.device.upload(sorted, as: .float32), order)
        } catch { throw unsuitable("'\(entry.name)' is \(error)") }
    }

    /// `codes` by the ranks of their values, where `order` has the codes by rank.
    private func ranks(of codes: Slice, in order: [UInt8]) throws(OptimizerError) -> Slice {
        var ranks = [UInt8](repeating: 0, count: 256)
        for (rank, code) in order.enumerated() { ranks[Int(code)] = UInt8(rank) }
        do { return codes.device.upload(try codes.downloadBytes().map { ranks[Int($0)] }, as: .uint8) } catch { throw .device(error) }
    }

    /// Fills `copy`, which may be changed unlike the file's memory.
    private func copied(_ source: Slice, into copy: Slice) -> Slice {
        let shape = [source.count]
        parameter.device.run(StridedCopy(from: StridedSlice(contiguous: source, shape: shape), to: StridedSlice(contiguous: copy, shape: shape)))
        return copy
    }

    /// A moment before its first step, stored as `other` is.
    private func fresh(_ moment: Moment, beside other: MomentSlice) throws(OptimizerError) -> MomentSlice {
        let values = try memory.allocate(other.values.dtype, count: parameter.count)
        return moment.fresh(in: values, isZero: false, blockSize: other.blocks?.size, codebooks: codebooks)
    }

    private func entry(_ key: String) throws(OptimizerError) -> SafetensorsEntry {
        guard let entry = entries[key] else { throw unsuitable("its '\(key)' is missing; it may be of another optimizer") }
        return entry
    }

    private func unsuitable(_ reason: String) -> OptimizerError { .unsuitableState(path: file.path, "the state of \(name) does not fit: \(reason)") }
}
