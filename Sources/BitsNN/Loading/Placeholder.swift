public import BitsCore

/// Models are built without weights: every name and shape is there, and no memory is taken until ``Module/load(from:options:progress:)`` fills them.
extension Parameter {
    /// A parameter of `shape` that takes no memory until it is given a value. Frozen, and zero where it is read.
    public static func placeholder(_ shape: [Int]) -> Parameter { Parameter(Tensor.zeros([1]).broadcast(to: shape), isTrainable: false) }
}
