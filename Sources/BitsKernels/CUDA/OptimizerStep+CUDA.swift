extension OptimizerStep: CUDAKernel {
    /// A rule given from outside is a function of the host's.
    var suitsCUDA: Bool {
        let span = parameters.span
        for i in span.indices where span[i].update.rule.isCustom { return false }
        return true
    }

    func launch(on queue: CUDAQueue) {
        guard let series else { return StepPlan(self, on: queue).launch(on: queue) }
        series.kept.renew { (plan: inout StepPlan?) in
            if plan?.renew(self, on: queue) != true { plan = StepPlan(self, on: queue) }
            plan?.launch(on: queue)
            if !queue.backend.isSound { plan = nil }
        }
    }
}

/// Which launches step which parameters, with everything on the device that they read.
///
/// A step of hundreds of small parameters takes the GPU little more than a tenth of a millisecond, and the host longer to find out what it is: so a plan
/// serves all steps of a ``StepSeries`` for which only numbers and the places of gradients change.
private struct StepPlan: Sendable {
    private static let units = CUDAFunction("optimizer", "step_units")
    private static let squares = CUDAFunction("optimizer", "step_squares")
    private static let trusts = CUDAFunction("optimizer", "step_trust")

    /// What the launches depend on, of each update that may differ from others, and where its numbers stand.
    private var models: [(kind: UpdateKind, slot: Int)] = []
    private var numbers: [UpdateNumbers] = []
    private let numberTable: Slice
    private let codeTables: Slice
    /// Parameters whose steps are bounded by their norms, with room for these.
    private var measured: (steps: StepTable, chunkCount: Int, sums: Slice, trust: Slice)?
    private var groups: [(group: OrdinaryGroup, steps: StepTable)] = []
    private var others = StepTable()
    private var gradientPlace: Int

    init(_ step: OptimizerStep, on queue: CUDAQueue) {
        var sorted = SortedSteps(step.parameters.count, sharedByteCount: queue.properties.sharedByteCount)
        let span = step.parameters.span
        for i in span.indices where span[i].parameter.count > 0 { sorted.add(span[i], number: i) }
        models = (step.series?.models ?? []).map { number in
            let update = step.parameters[number].update
            return (UpdateKind(update), sorted.slot(of: update))
        }
        (numbers, groups, others) = (sorted.numbers, sorted.groups, sorted.others)
        numberTable = queue.upload(numbers)
        codeTables = queue.codeTables(sorted.requests)
        gradientPlace = step.series?.place ?? 0
        if !sorted.measured.isEmpty {
            sorted.measured.settle(codeTables, numberTable, nil, on: queue)
            measured = (
                sorted.measured, sorted.chunkCount, queue.scratch(.int64, count: 2 * sorted.chunkCount),
                queue.scratch(.float32, count: sorted.measured.count)
            )
        }
        for i in groups.indices { groups[i].steps.settle(codeTables, numberTable, measured?.trust, on: queue) }
        others.settle(codeTables, numberTable, measured?.trust, on: queue)
    }

    /// Makes the plan that of `step`, a later one of its series.
    ///
    /// - Returns: whether it could be.
    mutating func renew(_ step: OptimizerStep, on queue: CUDAQueue) -> Bool {
        guard let series = step.series, series.models.count == models.count else { return false }
        var fresh = [UpdateNumbers?](repeating: nil, count: numbers.count)
        for (number, model) in zip(series.models, models) {
            let update = step.parameters[number].update
            let (_, own) = UpdateNumbers.of(update)
            // Updates that were the same stand in one place.
            guard UpdateKind(update) == model.kind, fresh[model.slot] == nil || fresh[model.slot] == own else { return false }
            fresh[model.slot] = own
        }
        if gradientPlace != series.place {
            gradientPlace = series.place
            var isAligned = measured?.steps.moveGradients(step.parameters, on: queue) ?? true
            for i in groups.indices { isAligned = groups[i].steps.moveGradients(step.parameters, on: queue) && isAligned }
            guard others.moveGradients(step.parameters, on: queue) && isAligned else { return false }
        }
        let changed = zip(fresh, numbers).map { $0 ?? $1 }
        if changed != numbers {
            numbers = changed
            queue.upload(numbers, to: numberTable)
        }
        return true
    }

    func launch(on queue: CUDAQueue) {
        if let measured { measure(measured.steps, measured.chunkCount, measured.sums, measured.trust, on: queue) }
        for (group, steps) in groups {
            let numbers = numbers[group.slot]
            guard group.isInBlocks else {
                group.launch(steps, numbers, on: queue)
                continue
            }
            let noted = queue.scratch(.int32, count: 1 + steps.unitCount)
            queue.clear(noted[0..<1])
            group.launch(steps, numbers, noted: noted, on: queue)
            stepUnits(of: steps, noted, perMultiprocessor: 4, on: queue)
        }
        if !others.isEmpty { stepUnits(of: others, nil, perMultiprocessor: 64, on: queue) }
    }

    /// Steps all units, or those of a list.
    private func stepUnits(of steps: StepTable, _ noted: Slice?, perMultiprocessor: Int, on queue: CUDAQueue) {
        queue.launch(
            StepPlan.units, blocks: queue.blocks(for: steps.unitCount, perMultiprocessor: perMultiprocessor), threads: 256, steps.slice,
            Int32(steps.count), steps.unitCount, noted)
    }

    /// Finds what the steps of parameters are multiplied by.
    private func measure(_ steps: StepTable, _ chunkCount: Int, _ sums: Slice, _ trust: Slice, on queue: CUDAQueue) {
        queue.launch(
            StepPlan.squares, blocks: queue.blocks(for: chunkCount, each: 16, perMultiprocessor: 32), threads: 256, steps.slice, Int32(steps.count),
            chunkCount, sums)
        queue.launch(StepPlan.trusts, blocks: steps.count, threads: 32, steps.slice, sums, trust)
    }
}

/// What a plan depends on of an update, beside the numbers that may change from step to step.
private struct UpdateKind: Equatable {
    private let rule: StepRule
    private let isOrdinary, isMeasured: Bool
    /// As blocks of 8 bits take it, which know no coupled decay beside one that comes first.
    private let isOrdinaryInBlocks: Bool

    init(_ update: ElementUpdate) {
        (rule, _) = UpdateNumbers.of(update)
        isOrdinary = update.isOrdinary
        isOrdinaryInBlocks = update.isOrdinaryInBlocks
        isMeasured = update.trust != nil
    }
}
