import BitsCore
import Testing

@testable import BitsTune

/// The choice of forms within a budget, against all choices that there are.
@Suite("Mixed choices")
struct MixedChoiceTests {
    private typealias Option = MixedChoice.Option

    /// Items of up to six options whose costs fall, more or less, as they grow.
    private func items(seed: UInt64) -> [[Option]] {
        var generator = RandomGenerator(seed: seed)
        return (0..<5).map { _ in
            (0..<Int.random(in: 1...6, using: &generator)).map { _ in
                let bytes = Int.random(in: 1...40, using: &generator)
                return Option(byteCount: bytes, cost: Double.random(in: 0...2, using: &generator) / Double(bytes))
            }
        }
    }

    /// The least cost within `budget`, by trying everything; nil where nothing fits.
    private func least(_ items: [[Option]], budget: Int) -> Double? {
        guard let first = items.first else { return 0 }
        return first.filter { $0.byteCount <= budget }.compactMap { option in
            least(Array(items.dropFirst()), budget: budget - option.byteCount).map { $0 + option.cost }
        }.min()
    }

    @Test("The budget is kept, the bound is one, and the cost is within one step of it", arguments: 0..<60)
    func promises(seed: UInt64) throws {
        let items = items(seed: seed)
        for budget in stride(from: 5, through: 200, by: 7) {
            let best = least(items, budget: budget)
            let choice = MixedChoice(items, budget: budget)
            #expect((choice == nil) == (best == nil), "\(budget)")
            guard let choice, let best else { continue }
            let picked = zip(items, choice.picks).map { $0[$1] }
            #expect(picked.reduce(0) { $0 + $1.byteCount } == choice.byteCount && choice.byteCount <= budget)
            let cost = choice.cost(of: items)
            let step = items.map { ($0.map(\.cost).max() ?? 0) - ($0.map(\.cost).min() ?? 0) }.max() ?? 0
            #expect(choice.leastCost <= best + 1e-12 && best <= cost + 1e-12 && cost < choice.leastCost + step + 1e-12, "\(budget)")
        }
    }

    @Test("With enough bytes every item costs the least that it can")
    func generous() throws {
        let items = items(seed: 77)
        let choice = try #require(MixedChoice(items, budget: 1000))
        #expect(choice.cost(of: items) == items.reduce(0) { $0 + ($1.map(\.cost).min() ?? 0) })
        #expect(abs(choice.leastCost - choice.cost(of: items)) < 1e-12)
    }
}
