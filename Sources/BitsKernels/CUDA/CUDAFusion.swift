/// Joins what was submitted for a recording into fewer launches: where there is little to compute, a launch costs more than its work.
///
/// Joined are products of one input with several 4-bit weights, and the gated activation of two; a sum and its norm; rotations, the cache that keys and values
/// go to, and attention to it. A kernel moves up to others only past kernels that it shares nothing with that either writes, and every output is written as it would
/// be alone: so whoever reads one later finds it. A few kernels at a time wait to be joined, and only these hold their operands.
struct CUDAFusion {
    private struct Step: Sendable {
        let launch: any CUDALaunching & Sendable
        /// Nil where it is not known what the launch reads and writes.
        let footprint: KernelFootprint?
        var isTaken = false

        init(_ launch: any CUDALaunching & Sendable) {
            self.launch = launch
            footprint = (launch as? any CUDAKernel).map { KernelFootprint($0) }
        }

        /// Whether the order of the two matters.
        func conflicts(with later: Step) -> Bool { isOverwritten(by: later) || isRead(by: later) }

        func isOverwritten(by later: Step) -> Bool {
            guard let footprint, let other = later.footprint else { return true }
            return footprint.isOverwritten(by: other)
        }

        func isRead(by later: Step) -> Bool {
            guard let footprint, let other = later.footprint else { return true }
            return footprint.isRead(by: other)
        }
    }

    /// How many kernels behind one are looked at for what may join it.
    private static let window = 8

    private let backend: CUDABackend
    /// What is submitted and not queued, in order.
    private var steps: [Step] = []
    /// What has been written by what is queued.
    private var written = AddressRanges()
    private var contents: [UInt: [UInt8]] = [:]
    /// Whether what comes is part of a launch that is being queued.
    var isQueueing = false

    init(_ backend: CUDABackend) { self.backend = backend }

    /// - Returns: whether `launch` waits to be joined; else it is to be queued now.
    mutating func keep(_ launch: any CUDALaunching & Sendable) -> Bool {
        if !isQueueing { steps.append(Step(launch)) }
        return !isQueueing
    }

    /// What is to be queued next; nil while more may come to join it, unless this is the `end`.
    mutating func next(end: Bool) -> (any CUDALaunching & Sendable)? {
        guard steps.count > (end ? 0 : Self.window) else { return nil }
        isQueueing = true
        steps[0].isTaken = true
        let launch = products() ?? normedSum() ?? rotations() ?? steps[0].launch
        for step in steps where step.isTaken {
            let writes = step.footprint?.writes ?? ((step.launch as? CUDARecordedUpload).map { [$0.target.addresses] } ?? [])
            writes.forEach { written.insert($0) }
        }
        steps.removeAll(where: \.isTaken)
        return launch
    }

    /// A kernel that may follow the first step at once.
    private struct Candidate {
        let launch: any CUDALaunching
        /// Whether it reads what those write that it would join.
        let isDependent: Bool
        /// Whether it writes what those read or write.
        let overwrites: Bool
    }

    /// Shows `join` what may follow the first step at once, until it says that it is complete; what it takes is part of the launch.
    private mutating func visit(_ join: (inout CUDAFusion, Candidate) -> (isTaken: Bool, isComplete: Bool)) {
        for later in steps.indices.dropFirst() {
            guard let candidate = candidate(later) else { continue }
            let (isTaken, isComplete) = join(&self, candidate)
            steps[later].isTaken = isTaken
            if isComplete { return }
        }
    }

    /// Step `later`, if it may move up to those that are taken.
    private func candidate(_ later: Int) -> Candidate? {
        var (isDependent, overwrites) = (false, false)
        for earlier in 0..<later {
            if !steps[earlier].isTaken {
                if steps[earlier].conflicts(with: steps[later]) { return nil }
                continue
            }
            isDependent = isDependent || steps[earlier].isRead(by: steps[later])
            overwrites = overwrites || steps[earlier].isOverwritten(by: steps[later])
        }
        return Candidate(launch: steps[later].launch, isDependent: isDependent, overwrites: overwrites)
    }

    private mutating func products() -> (any CUDALaunching & Sendable)? {
        let queue = CUDAQueue(backend: backend)
        guard let product = steps[0].launch as? FourBitLinear else { return nil }
        if var group = CUDAFourBitWide(product, on: queue) {
            visit { _, candidate in
                guard !candidate.overwrites, !candidate.isDependent, let product = candidate.launch as? FourBitLinear else { return (false, false) }
                return (group.add(product, on: queue), false)
            }
            group.isConstant = group.products.allSatisfy { isConstant($0.weight) }
            return group
        }
        guard var group = CUDAFourBitFewRows(product, on: queue) else { return nil }
        group.isConstant = isConstant(product.weight)
        visit { fusion, candidate in
            if candidate.overwrites { return (false, false) }
            var isTaken = false
            if let product = candidate.launch as? FourBitLinear, !candidate.isDependent, group.isConstant, fusion.isConstant(product.weight) {
                isTaken = group.add(product) { fusion.haveSameContents($0, $1) }
            }
            if let activation = candidate.launch as? GatedActivation { isTaken = group.add(activation) }
            return (isTaken, group.isFull)
        }
        return group
    }

    private mutating func normedSum() -> (any CUDALaunching & Sendable)? {
        guard let sum = steps[0].launch as? BinaryElementwise, sum.operation == .add else { return nil }
        var joined: CUDAAddRMSNorm?
        visit { fusion, candidate in
            if !candidate.overwrites, let norm = candidate.launch as? RMSNorm {
                joined = CUDAAddRMSNorm(sum, norm, on: CUDAQueue(backend: fusion.backend))
            }
            return (joined != nil, joined != nil)
        }
        return joined
    }

    private mutating func rotations() -> (any CUDALaunching & Sendable)? {
        guard let query = steps[0].launch as? Rotary else { return nil }
        let before = steps
        var key: Rotary?
        var keeping: CUDARotaryIntoCache?
        var attention: AttentionDecoding?
        visit { _, candidate in
            if let keeping {
                if let kernel = candidate.launch as? Attention { attention = AttentionDecoding(kernel, keeping: keeping) }
                return (attention != nil, attention != nil)
            }
            if candidate.overwrites { return (false, false) }
            if let write = candidate.launch as? CacheWrite, let key { keeping = CUDARotaryIntoCache(query: query, key: key, write) }
            if keeping != nil { return (true, false) }
            guard key == nil, !candidate.isDependent, let rotary = candidate.launch as? Rotary else { return (false, false) }
            key = rotary
            return (true, false)
        }
        if keeping == nil { steps = before }
        if let attention { return attention }
        return keeping
    }

    /// Whether nothing before it in the recording writes the weight.
    private func isConstant(_ weight: FourBitMatrix) -> Bool {
        let memory = weight.memory
        func touches(_ range: Range<UInt>) -> Bool { memory.contains { $0.overlaps(range) } }
        return !memory.contains(where: written.overlap) && steps.allSatisfy { $0.footprint?.writes.contains(where: touches) == false }
    }

    /// Of small operands that nothing of the recording writes.
    private mutating func haveSameContents(_ a: Slice, _ b: Slice) -> Bool {
        if a.isSame(as: b) { return true }
        guard a.dtype == b.dtype, a.count == b.count, let first = bytes(of: a), let second = bytes(of: b) else { return false }
        return first == second
    }

    private mutating func bytes(of slice: Slice) -> [UInt8]? {
        let address = slice.addresses.lowerBound
        if let known = contents[address], known.count == slice.byteCount { return known }
        contents[address] = backend.bytesBesideRecording(of: slice)
        return contents[address]
    }
}
