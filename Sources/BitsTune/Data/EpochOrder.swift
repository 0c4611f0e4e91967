import BitsCore

/// In which order an epoch takes the examples of its data: a function of the seed, the epoch and the place in it.
struct EpochOrder: Sendable {
    private let data: TrainingData
    private let epoch: Int
    /// nil: the order of the files.
    private let seed: UInt64?
    private let order: SeededOrder?
    /// Places at a time that are sorted by length, the longest first; nil for none. What is sorted stays as long as it is in use.
    private let window: Int?
    private var sorted: (window: Int, places: [ExamplePlace])?

    init(_ data: TrainingData, epoch: Int, seed: UInt64?, sortedWithin window: Int? = nil) {
        self.data = data
        self.epoch = epoch
        self.seed = seed
        self.window = window
        // Streams from the far end: those from the near end are the adapter's first values and dropout's.
        order = seed.map { SeededOrder(count: data.count, using: RandomGenerator(seed: $0, stream: UInt64.max - UInt64(epoch))) }
    }

    /// The example at a place from 0 to below the data's count.
    subscript(place: Int) -> ExamplePlace {
        mutating get {
            guard let window else { return unsorted(place) }
            let number = place / window
            if sorted?.window != number {
                let places = (number * window..<min((number + 1) * window, data.count)).map(unsorted)
                let keyed = places.enumerated().map { (length: length(of: $1), rank: $0, place: $1) }
                sorted = (number, keyed.sorted { ($1.length, $0.rank) < ($0.length, $1.rank) }.map(\.place))
            }
            return sorted?.places[place - number * window] ?? unsorted(place)
        }
    }

    func length(of place: ExamplePlace) -> Int { Int(data.sets[place.set].lengths[place.index]) }

    private func unsorted(_ place: Int) -> ExamplePlace {
        var rest = order?[place] ?? place
        var set = 0
        while rest >= data.shares[set] {
            rest -= data.shares[set]
            set += 1
        }
        let (share, count) = (data.shares[set], data.sets[set].count)
        if share == count { return ExamplePlace(set: set, index: rest) }
        // A set of another weight is gone through pass by pass, wherever epochs end.
        let (pass, rank) = (epoch * share + rest).quotientAndRemainder(dividingBy: count)
        guard let seed else { return ExamplePlace(set: set, index: rank) }
        let stream = 1 << 63 | UInt64(set) << 40 | UInt64(pass)
        return ExamplePlace(set: set, index: SeededOrder(count: count, using: RandomGenerator(seed: seed, stream: stream))[rank])
    }
}
