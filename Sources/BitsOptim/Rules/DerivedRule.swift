/// A rule that is another one with other defaults, or something more to it. Its settings are those of the other, and its own.
@dynamicMemberLookup
public protocol DerivedRule: UpdateRule {
    associatedtype Base: UpdateRule
    /// The rule that it is made of.
    var base: Base { get set }
}

extension DerivedRule {
    public subscript<Value>(dynamicMember setting: WritableKeyPath<Base, Value>) -> Value {
        get { base[keyPath: setting] }
        set { base[keyPath: setting] = newValue }
    }

    public var learningRate: Double {
        get { base.learningRate }
        set { base.learningRate = newValue }
    }

    public var moments: [Moment] { base.moments }
    public var contradiction: String? { base.contradiction }
    public var objectionTo8Bits: String? { base.objectionTo8Bits }
}
