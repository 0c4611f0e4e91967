/// One option for each of several items, with as little cost together as a budget of bytes allows.
///
/// An item's options on the lower convex hull of cost over bytes are steps, each a saving of cost for a price in bytes. Taken in the order of what a byte
/// saves, as long as the budget lasts, they give the least cost where the last step could be taken in part: ``leastCost``, below which no choice within the
/// budget can be. The step that is not affordable is left, those behind it that are affordable are taken, and then any option, on the hull or not, that
/// still saves: the cost is above ``leastCost`` by less than that one step saves. (Everett 1963; Sinha and Zoltners 1979, "The Multiple-Choice Knapsack
/// Problem".)
struct MixedChoice {
    struct Option: Equatable {
        let byteCount: Int
        let cost: Double
    }

    /// The option of each item.
    private(set) var picks: [Int]
    private(set) var byteCount: Int
    /// What no choice within the budget can be below.
    private(set) var leastCost: Double

    /// - Parameters:
    ///   - items: the options of each, at least one, with finite costs.
    ///   - budget: bytes of all options together.
    /// - Returns: nil where the smallest options are above it.
    init?(_ items: [[Option]], budget: Int) {
        let hulls = items.map(MixedChoice.hull)
        picks = hulls.map { $0[0] }
        byteCount = zip(items, picks).reduce(0) { $0 + $1.0[$1.1].byteCount }
        leastCost = zip(items, picks).reduce(0) { $0 + $1.0[$1.1].cost }
        guard byteCount <= budget else { return nil }
        let steps = items.indices.flatMap { item in
            zip(hulls[item], hulls[item].dropFirst()).map { Step(item: item, from: items[item][$0], to: items[item][$1], fromPick: $0, pick: $1) }
        }
        var isWithinBudget = true
        // The steps of an item save less and less a byte, so that they keep their order.
        for step in steps.sorted(by: { $0.savingPerByte > $1.savingPerByte }) {
            if isWithinBudget {
                let share = min(1, Double(budget - byteCount) / Double(step.price))
                leastCost -= share * step.saving
                isWithinBudget = share == 1
            }
            guard picks[step.item] == step.fromPick, byteCount + step.price <= budget else { continue }
            picks[step.item] = step.pick
            byteCount += step.price
        }
        fill(items, budget: budget)
    }

    func cost(of items: [[Option]]) -> Double { zip(items, picks).reduce(0) { $0 + $1.0[$1.1].cost } }

    /// Spends what is left on the options that save most.
    private mutating func fill(_ items: [[Option]], budget: Int) {
        while true {
            var best: (item: Int, pick: Int, saving: Double)?
            for (item, options) in items.enumerated() {
                let now = options[picks[item]]
                for (pick, option) in options.enumerated() where option.cost < now.cost && byteCount - now.byteCount + option.byteCount <= budget {
                    if now.cost - option.cost > best?.saving ?? 0 { best = (item, pick, now.cost - option.cost) }
                }
            }
            guard let best else { return }
            byteCount += items[best.item][best.pick].byteCount - items[best.item][picks[best.item]].byteCount
            picks[best.item] = best.pick
        }
    }

    private struct Step {
        let item: Int
        let saving: Double
        let price: Int
        let fromPick: Int
        let pick: Int
        var savingPerByte: Double { saving / Double(price) }

        init(item: Int, from: Option, to: Option, fromPick: Int, pick: Int) {
            (self.item, self.fromPick, self.pick) = (item, fromPick, pick)
            saving = from.cost - to.cost
            price = to.byteCount - from.byteCount
        }
    }

    /// The options on the lower convex hull, from the smallest on: each costs less than the one before it, and saves less a byte.
    private static func hull(_ options: [Option]) -> [Int] {
        precondition(!options.isEmpty && options.allSatisfy { $0.cost.isFinite }, "options \(options)")
        let order = options.indices.sorted { (options[$0].byteCount, options[$0].cost) < (options[$1].byteCount, options[$1].cost) }
        var hull: [Int] = []
        for pick in order where hull.last.map({ options[pick].cost < options[$0].cost }) ?? true {
            // What saves less a byte than the step behind it does is skipped.
            while hull.count > 1, rate(options, hull[hull.count - 2], hull[hull.count - 1]) <= rate(options, hull[hull.count - 1], pick) {
                hull.removeLast()
            }
            hull.append(pick)
        }
        return hull
    }

    private static func rate(_ options: [Option], _ from: Int, _ to: Int) -> Double {
        (options[from].cost - options[to].cost) / Double(options[to].byteCount - options[from].byteCount)
    }
}
