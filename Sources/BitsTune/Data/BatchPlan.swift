/// How examples are put together to batches.
///
/// A batch is one row of sequences behind one another, none of which sees another, unless it is padded; the loss is the same either way.
public struct BatchPlan: Sendable, Equatable {
    public enum Size: Sendable, Equatable {
        /// So many examples.
        case examples(Int)
        /// Examples one after the other, as long as all their tokens are no more than this: as much work in every batch. Known as packing.
        case tokens(Int)
    }

    public var size: Size
    /// Whether examples become rows of the length of the longest, filled up.
    public var pads: Bool
    /// Whether 64 batches at a time are sorted by length, the longest first: examples of a length come together.
    public var groupsByLength: Bool
    /// Whether every epoch has an order of its own, by the seed; else it is the files'.
    public var shuffles: Bool

    public init(_ size: Size = .examples(16), pads: Bool = false, groupsByLength: Bool = false, shuffles: Bool = true) {
        switch size {
        case .examples(let count), .tokens(let count): precondition(count > 0, "a batch of \(count)")
        }
        self.size = size
        self.pads = pads
        self.groupsByLength = groupsByLength
        self.shuffles = shuffles
    }
}

/// Where a run is in its data.
public struct DataPosition: Sendable, Equatable {
    /// From 0.
    public var epoch = 0
    /// Examples of the epoch that have been taken.
    public var example = 0

    public init(epoch: Int = 0, example: Int = 0) {
        self.epoch = epoch
        self.example = example
    }
}
