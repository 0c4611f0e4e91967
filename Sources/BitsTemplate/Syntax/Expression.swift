/// What a template computes a value from.
struct Expression: Sendable {
    indirect enum Kind: Sendable {
        case none
        case bool(Bool)
        case integer(Int)
        case float(Double)
        case string(String)
        case name(String)
        case list([Expression])
        case tuple([Expression])
        case dictionary([Pair])
        /// `base.name`.
        case attribute(Expression, String)
        /// `base[key]`.
        case element(Expression, Expression)
        /// `base[start:stop:step]`.
        case slice(Expression, start: Expression?, stop: Expression?, step: Expression?)
        case call(Expression, Arguments)
        /// `operand | name(arguments)`; without operand in a block, which is it.
        case filter(Expression?, String, Arguments)
        /// `operand is name(arguments)`.
        case test(Expression, String, Arguments)
        case not(Expression)
        case sign(Expression, isMinus: Bool)
        /// Operators of one precedence, from left to right.
        case arithmetic(Expression, [Operand])
        /// `a < b < c`: each with its neighbour.
        case comparison(Expression, [Operand])
        case and([Expression])
        case or([Expression])
        /// `a ~ b`.
        case concatenation([Expression])
        case conditional(Expression, condition: Expression, otherwise: Expression?)
    }

    struct Pair: Sendable {
        var key: Expression
        var value: Expression
    }

    struct Operand: Sendable {
        var symbol: String
        var value: Expression
    }

    /// What stands in a call's parentheses.
    struct Arguments: Sendable {
        var positional: [Expression] = []
        var named: [(name: String, value: Expression)] = []
        /// `*list`.
        var list: Expression?
        /// `**dictionary`.
        var dictionary: Expression?
    }

    var kind: Kind
    /// Where it begins, or where its operator stands; in Unicode scalars from the template's start.
    var offset: Int
}
