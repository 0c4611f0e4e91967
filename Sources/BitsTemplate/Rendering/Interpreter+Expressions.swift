extension Interpreter {
    /// The value of `expression`.
    ///
    /// - Parameters:
    ///   - operand: what a filter without one works on.
    ///   - caller: the block that belongs to a call.
    func evaluate(_ expression: Expression, operand: TemplateValue? = nil, caller: TemplateValue? = nil) throws(TemplateError) -> TemplateValue {
        do {
            try spend()
            return try deeper { () throws(TemplateError) in try value(of: expression, operand: operand, caller: caller) }
        } catch { throw error.placed(at: expression.offset) }
    }

    private func value(of expression: Expression, operand: TemplateValue?, caller: TemplateValue?) throws(TemplateError) -> TemplateValue {
        switch expression.kind {
        case .none: return .none
        case .bool(let value): return .bool(value)
        case .integer(let value): return .integer(value)
        case .float(let value): return .float(value)
        case .string(let text): return .string(text)
        case .name(let name): return scope[name] ?? TemplateGlobals.value(name) ?? .undefined("'\(name)' is undefined")
        case .list(let elements): return .list(try evaluate(elements))
        case .tuple(let elements): return .tuple(try evaluate(elements))
        case .dictionary(let pairs):
            var dictionary = TemplateDictionary()
            for pair in pairs { dictionary.set(try evaluate(pair.key), to: try evaluate(pair.value)) }
            return .dictionary(dictionary)
        case .attribute(let base, let name): return try attribute(name, of: try evaluate(base))
        case .element(let base, let key): return try element(try evaluate(key), of: try evaluate(base))
        case .slice(let base, let start, let stop, let step):
            return try slice(try evaluate(base), start: try bound(start), stop: try bound(stop), step: try bound(step) ?? 1)
        case .call(let function, let arguments):
            var given = try evaluate(arguments)
            if let caller { given.named.append(("caller", caller)) }
            return try call(try evaluate(function), given)
        case .filter(let inner, let name, let arguments):
            let value = try inner.map { (inner) throws(TemplateError) in try evaluate(inner, operand: operand) } ?? operand ?? .string("")
            return try filter(name, value, try evaluate(arguments))
        case .test(let inner, let name, let arguments): return .bool(try test(name, try evaluate(inner), try evaluate(arguments)))
        case .not(let inner): return .bool(!(try evaluate(inner).isTrue))
        case .sign(let inner, let isMinus):
            let value = try evaluate(inner)
            guard let number = value.number else { throw unusable(value, "a sign needs a number, not \(value.typeName)") }
            return try TemplateNumber.result(isMinus ? "-" : "+", .integer(0), number)
        case .arithmetic(let first, let others):
            var result = try evaluate(first)
            for other in others { result = try arithmetic(other.symbol, result, try evaluate(other.value)) }
            return result
        case .comparison(let first, let others): return try compare(first, others)
        case .and(let operands): return try firstOperand(operands) { !$0.isTrue }
        case .or(let operands): return try firstOperand(operands) { $0.isTrue }
        case .concatenation(let parts):
            var text = ""
            for part in parts {
                text += try self.text(of: try evaluate(part))
                try checkLength(text.utf8.count)
            }
            return .string(text)
        case .conditional(let then, let condition, let otherwise):
            if try evaluate(condition).isTrue { return try evaluate(then) }
            return try otherwise.map { (otherwise) throws(TemplateError) in try evaluate(otherwise) }
                ?? .undefined("the condition is false, and there is no 'else'")
        }
    }

    private func evaluate(_ expressions: [Expression]) throws(TemplateError) -> [TemplateValue] {
        var values: [TemplateValue] = []
        for expression in expressions { values.append(try evaluate(expression)) }
        return values
    }

    private func evaluate(_ arguments: Expression.Arguments) throws(TemplateError) -> CallArguments {
        var result = CallArguments(try evaluate(arguments.positional))
        for (name, value) in arguments.named { result.named.append((name, try evaluate(value))) }
        if let list = arguments.list { result.positional += try evaluate(list).elements ?? [] }
        if let dictionary = arguments.dictionary {
            guard case .dictionary(let values) = try evaluate(dictionary) else { throw TemplateError(.failed, "'**' needs a dictionary") }
            for (key, value) in values.items { result.named.append((key.text, value)) }
        }
        return result
    }

    /// Python's `and` and `or` give an operand: the first that decides, or the last.
    private func firstOperand(_ operands: [Expression], _ decides: (TemplateValue) -> Bool) throws(TemplateError) -> TemplateValue {
        var value = TemplateValue.none
        for operand in operands {
            value = try evaluate(operand)
            if decides(value) { break }
        }
        return value
    }

    private func bound(_ expression: Expression?) throws(TemplateError) -> Int? {
        try expression.map { (expression) throws(TemplateError) in Optional(try evaluate(expression)) }?.optionalInteger("a slice")
    }

    // MARK: Attributes and elements

    /// The error for a value that an operation is not for: where the value is not there, that is said.
    func unusable(_ value: TemplateValue, _ reason: @autoclosure () -> String) -> TemplateError {
        if case .undefined(let why) = value { return TemplateError(.failed, why) }
        return TemplateError(.failed, reason())
    }

    private func lacking(_ value: TemplateValue, attribute name: String) -> TemplateValue {
        switch value {
        case .none: .undefined("'None' has no attribute '\(name)'")
        default: .undefined("'\(value.typeName) object' has no attribute '\(name)'")
        }
    }

    /// `value.name`: a method first, then what is under that key.
    func attribute(_ name: String, of value: TemplateValue) throws(TemplateError) -> TemplateValue {
        switch value {
        case .undefined(let why): throw TemplateError(.failed, why)
        case .object(let object): return object.attribute(name) ?? lacking(value, attribute: name)
        default:
            if let method = TemplateMethods.method(name, of: value) { return method }
            if case .dictionary(let dictionary) = value, let element = dictionary[name] { return element }
            return lacking(value, attribute: name)
        }
    }

    /// `value[key]`: what is under that key first, then a method.
    func element(_ key: TemplateValue, of value: TemplateValue) throws(TemplateError) -> TemplateValue {
        switch (value, key) {
        case (.undefined(let why), _): throw TemplateError(.failed, why)
        case (.dictionary(let dictionary), _):
            if let element = dictionary[key] { return element }
        case (.string(let text), .integer(let index)):
            let scalars = Array(text.unicodeScalars)
            if let place = place(index, count: scalars.count) { return .string(String(scalars[place])) }
        case (.list(let elements), .integer(let index)), (.tuple(let elements), .integer(let index)):
            if let place = place(index, count: elements.count) { return elements[place] }
        default: break
        }
        if case .string(let name) = key {
            if case .object(let object) = value { return object.attribute(name) ?? lacking(value, attribute: name) }
            return TemplateMethods.method(name, of: value) ?? lacking(value, attribute: name)
        }
        return .undefined("\(value.typeName) object has no element \(key.representation)")
    }

    private func place(_ index: Int, count: Int) -> Int? {
        let place = index < 0 ? index + count : index
        return (0..<count).contains(place) ? place : nil
    }

    private func slice(_ value: TemplateValue, start: Int?, stop: Int?, step: Int) throws(TemplateError) -> TemplateValue {
        guard step != 0 else { throw TemplateError(.failed, "a slice's step is 0") }
        func chosen<T>(_ elements: [T]) -> [T] {
            let count = elements.count
            func clamped(_ index: Int?, _ standard: Int) -> Int {
                guard let index else { return standard }
                let place = index < 0 ? max(index, -count - 1) + count : min(index, count)
                return step > 0 ? max(0, place) : min(max(-1, place), count - 1)
            }
            let (first, end) = (clamped(start, step > 0 ? 0 : count - 1), clamped(stop, step > 0 ? count : -1))
            let stride = max(-count - 1, min(step, count + 1))
            return Swift.stride(from: first, to: end, by: stride).map { elements[$0] }
        }
        switch value {
        case .string(let text): return .string(String(scalars: chosen(Array(text.unicodeScalars))))
        case .list(let elements): return .list(chosen(elements))
        case .tuple(let elements): return .tuple(chosen(elements))
        default: throw unusable(value, "a value of type \(value.typeName) has no slices")
        }
    }

    // MARK: Calls

    func call(_ function: TemplateValue, _ arguments: CallArguments) throws(TemplateError) -> TemplateValue {
        guard case .object(let object) = function else { throw unusable(function, "a value of type \(function.typeName) cannot be called") }
        return try deeper { () throws(TemplateError) in
            switch object {
            case let function as TemplateFunction: return try function.body(self, arguments)
            case let macro as TemplateMacro: return try macro.call(arguments, self)
            case let loop as TemplateLoop: return try recurse(loop, over: arguments.positional.first ?? .list([]))
            default: throw TemplateError(.failed, "a value of type \(object.typeName) cannot be called")
            }
        }
    }
}
