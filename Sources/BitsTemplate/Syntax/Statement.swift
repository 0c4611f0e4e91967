/// What a template does.
indirect enum Statement: Sendable {
    case text(String)
    case output(Expression)
    case set(Target, Expression)
    /// `{% set name %}...{% endset %}`, with the filters that the text goes through.
    case setBlock(Target, filter: Expression?, [Statement])
    case conditional([Branch], otherwise: [Statement])
    case loop(Loop)
    case macro(Macro)
    /// `{% call(parameters) function(...) %}...{% endcall %}`: the block is the function's `caller`.
    case callBlock(Macro, Expression)
    case filterBlock(Expression, [Statement])
    case with([(target: Target, value: Expression)], [Statement])
    /// `{% generation %}`: what the model is to learn to write.
    case generation([Statement])
    case breakLoop(offset: Int)
    case continueLoop(offset: Int)

    /// What is assigned to.
    indirect enum Target: Sendable {
        case name(String)
        /// `namespace.name`.
        case attribute(String, String, offset: Int)
        case tuple([Target], offset: Int)
    }

    struct Branch: Sendable {
        var condition: Expression
        var body: [Statement]
    }

    struct Loop: Sendable {
        var target: Target
        var iterable: Expression
        /// `for ... if condition`.
        var condition: Expression?
        var body: [Statement]
        /// Carried out where nothing is gone through.
        var otherwise: [Statement]
        /// Whether `loop(items)` goes through the body again.
        var isRecursive: Bool
    }

    struct Macro: Sendable {
        var name: String
        var parameters: [Parameter] = []
        var body: [Statement] = []
        /// Those of `varargs`, `kwargs` and `caller` that the body reads: only then may a call bring them.
        var takesMore: Set<String> = []
        var offset: Int
    }

    struct Parameter: Sendable {
        var name: String
        var standard: Expression?
    }
}
