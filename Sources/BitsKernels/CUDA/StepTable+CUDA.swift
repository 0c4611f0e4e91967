/// The parameters of one launch of an optimizer's steps, on the host and on the device.
struct StepTable: Sendable {
    private var table = CUDATable<StepEntry>()
    /// For each entry the number of its parameter, and the first of its elements.
    private var origins: [(number: Int, first: Int64)] = []
    /// Of all entries.
    private(set) var unitCount = 0

    var isEmpty: Bool { table.entries.isEmpty }
    var count: Int { table.entries.count }
    /// The entries on the device; they are there once they have been settled.
    var slice: Slice { table.slice }

    mutating func reserveCapacity(_ count: Int) {
        table.entries.reserveCapacity(count)
        origins.reserveCapacity(count)
    }

    /// Adds parameter `number`, or what there is of it from element `first` on.
    mutating func add(_ entry: StepEntry, number: Int, first: Int64 = 0) {
        table.entries.append(entry)
        origins.append((number, first))
    }

    /// Puts addresses for what the entries know by number, counts their units, and brings them to the device.
    mutating func settle(_ codeTables: Slice, _ numbers: Slice, _ trust: Slice?, on queue: CUDAQueue) {
        var units: Int64 = 0
        let (tables, numbers, trust) = (UInt64(codeTables.deviceAddress), UInt64(numbers.deviceAddress), trust.map { UInt64($0.deviceAddress) })
        for i in table.entries.indices { table.entries[i].settle(&units, tables: tables, numbers: numbers, trust: trust) }
        unitCount = Int(units)
        if !isEmpty { table.upload(on: queue) }
    }

    /// Takes gradients and their scales from where they lie in `parameters` now.
    ///
    /// - Returns: whether all are as far from a multiple of 16 as those before.
    mutating func moveGradients(_ parameters: [ParameterStep], on queue: CUDAQueue) -> Bool {
        if isEmpty { return true }
        var isAligned = true
        for i in table.entries.indices {
            isAligned = table.entries[i].moveGradient(parameters[origins[i].number], from: origins[i].first) && isAligned
        }
        table.upload(on: queue)
        return isAligned
    }
}

/// Parameters sorted by the launches that step them; addresses of what is not on the device yet are numbers.
struct SortedSteps {
    private let sharedByteCount: Int
    private let count: Int
    /// The codebooks' tables.
    private(set) var requests: [CodeTableRequest] = []
    private(set) var numbers: [UpdateNumbers] = []
    /// Parameters whose steps are bounded by their norms; those that take part in others' launches know their place here plus 1.
    var measured = StepTable()
    private(set) var chunkCount = 0
    private(set) var groups: [(group: OrdinaryGroup, steps: StepTable)] = []
    private(set) var others = StepTable()

    init(_ count: Int, sharedByteCount: Int) { (self.count, self.sharedByteCount) = (count, sharedByteCount) }

    mutating func add(_ parameter: ParameterStep, number: Int) {
        let (rule, own) = UpdateNumbers.of(parameter.update)
        let slot = numbers.place(of: own)
        var entry = StepEntry(parameter, rule: rule, slot: slot)
        for k in parameter.moments.indices {
            guard let blocks = parameter.moments[k].blocks else { continue }
            let request = CodeTableRequest(blocks.codebook, keepsSign: blocks.isSigned, isPositive: parameter.update.rule.isPositive(k))
            entry.tables[k] = UInt64(requests.place(of: request))
        }
        if parameter.update.trust != nil {
            entry.chunk = Int32(chunkCount)
            chunkCount += VectorNorm.chunkCount(of: Int(entry.count))
            measured.add(entry, number: number)
            entry.trust = UInt64(measured.count)
        }
        guard let group = OrdinaryGroup(parameter, rule, entry, slot: slot), group.sharedByteCount <= sharedByteCount else {
            return others.add(entry, number: number)
        }
        let whole = group.wholeCount(entry)
        if whole < entry.count { others.add(entry.part(whole..<entry.count), number: number, first: whole) }
        guard whole > 0 else { return }
        var place = groups.count - 1
        while place >= 0 && groups[place].group != group { place -= 1 }
        if place < 0 {
            place = groups.count
            groups.append((group, StepTable()))
            // Nearly always there is one group.
            if place == 0 { groups[0].steps.reserveCapacity(count) }
        }
        entry.count = whole
        groups[place].steps.add(entry, number: number)
    }

    /// Where the numbers of `update` stand; behind the last where no parameter has them.
    mutating func slot(of update: ElementUpdate) -> Int { numbers.place(of: UpdateNumbers.of(update).1) }
}

extension Array where Element: Equatable {
    /// Where `element` stands, to which it is appended where it is not there.
    fileprivate mutating func place(of element: Element) -> Int {
        if let place = firstIndex(of: element) { return place }
        append(element)
        return count - 1
    }
}
