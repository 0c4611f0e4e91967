public import ArgumentParser
public import BitsTune

extension ModuleNames {
    /// What an option says that may be repeated: names, with commas between, or one regular expression, told by a character that no name has.
    ///
    /// - Throws: `ValidationError` for an expression beside something else.
    init(options: [String], of option: String) throws {
        let expressions = options.filter { !$0.allSatisfy { $0.isLetter || $0.isNumber || "_-., ".contains($0) } }
        guard let expression = expressions.first else {
            self = .named(ModuleNames.split(options))
            return
        }
        guard options.count == 1 else {
            throw ValidationError("\(option) takes names, or one expression alone; '\(expression)' is one of \(options.count)")
        }
        self = .matching(expression)
    }

    /// Each entry split at commas.
    static func split(_ entries: [String]) -> [String] {
        entries.flatMap { $0.split(separator: ",") }.map { String($0.drop { $0 == " " }.prefix { $0 != " " }) }.filter { !$0.isEmpty }
    }
}

extension LoRAConfiguration.Targets {
    /// `all-linear`, names, or an expression.
    init(options: [String]) throws {
        if options == ["all-linear"] {
            self = .allLinear
            return
        }
        switch try ModuleNames(options: options, of: "--target-modules") {
        case .named(let names): self = .named(names)
        case .matching(let text): self = .matching(text)
        }
    }
}

extension LoRAConfiguration.Biases: ExpressibleByArgument {}

/// A value of their own for the layers whose paths an expression matches: `down_proj=4`.
struct LayerSetting<Value: LosslessStringConvertible & Sendable>: ExpressibleByArgument, CustomStringConvertible {
    let expression: String
    let value: Value

    init?(argument: String) {
        guard let place = argument.lastIndex(of: "="), place > argument.startIndex,
            let value = Value(String(argument[argument.index(after: place)...]))
        else { return nil }
        (expression, self.value) = (String(argument[..<place]), value)
    }

    var description: String { "\(expression)=\(value)" }
}
