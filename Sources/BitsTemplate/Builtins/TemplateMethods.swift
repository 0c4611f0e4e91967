/// Methods of texts, lists and dictionaries.
enum TemplateMethods {
    typealias Method = (TemplateValue, CallArguments) throws(TemplateError) -> TemplateValue

    /// The method `name` of `value`, to be called; nil where it has none. What would change a list or a dictionary is refused when it is called.
    static func method(_ name: String, of value: TemplateValue) -> TemplateValue? {
        let body: TemplateFunction.Body
        switch value {
        case .string(let text) where TextMethods.names.contains(name):
            body = { (interpreter, arguments) throws(TemplateError) in try TextMethods.call(name, text, arguments, interpreter) }
        case .dictionary(let dictionary) where ["get", "items", "keys", "values", "copy"].contains(name):
            body = { (_, arguments) throws(TemplateError) in try call(name, dictionary, arguments) }
        case .list(let elements) where ["index", "count", "copy"].contains(name), .tuple(let elements) where ["index", "count"].contains(name):
            body = { (_, arguments) throws(TemplateError) in try call(name, elements, arguments) }
        case .list where ["append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse"].contains(name),
            .dictionary where ["update", "pop", "popitem", "setdefault", "clear"].contains(name):
            body = { (_, _) throws(TemplateError) in
                throw TemplateError(.failed, "'\(name)' would change a \(value.typeName), which templates may not; assign a new one")
            }
        default: return nil
        }
        return .object(TemplateFunction("\(value.typeName).\(name)", body))
    }

    private static func call(_ name: String, _ dictionary: TemplateDictionary, _ arguments: CallArguments) throws(TemplateError) -> TemplateValue {
        if name == "get" {
            let given = try arguments.bound("get", "key", "default")
            return dictionary[try given[0].required("get", "a key")] ?? given[1] ?? .none
        }
        _ = try arguments.bound(name)
        return switch name {
        case "items": .list(dictionary.items.map { .tuple([$0.key, $0.value]) })
        case "keys": .list(dictionary.keys)
        case "values": .list(dictionary.items.map(\.value))
        default: .dictionary(dictionary)
        }
    }

    private static func call(_ name: String, _ elements: [TemplateValue], _ arguments: CallArguments) throws(TemplateError) -> TemplateValue {
        if name == "copy" { return .list(elements) }
        let value = try arguments.bound(name, "value")[0].required(name, "a value")
        if name == "count" { return .integer(elements.count { $0 == value }) }
        guard let index = elements.firstIndex(of: value) else { throw TemplateError(.failed, "\(value.representation) is not in the list") }
        return .integer(index)
    }
}

/// Methods of texts.
enum TextMethods {
    static let names: Set<String> = [
        "upper", "lower", "title", "capitalize", "swapcase", "casefold", "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith",
        "endswith", "removeprefix", "removesuffix", "replace", "join", "find", "rfind", "index", "rindex", "count", "partition", "rpartition",
        "isdigit",
        "isnumeric", "isdecimal", "isalpha", "isalnum", "isspace", "isupper", "islower", "zfill", "ljust", "rjust", "center", "format", "encode",
    ]

    static func call(_ name: String, _ text: String, _ arguments: CallArguments, _ interpreter: Interpreter) throws(TemplateError) -> TemplateValue {
        try interpreter.checkLength(text.utf8.count)
        switch name {
        case "upper": return .string(text.uppercased())
        case "lower", "casefold": return .string(text.lowercased())
        case "title": return .string(text.titled)
        case "capitalize": return .string(text.capitalizedFirst)
        case "swapcase":
            return .string(
                text.unicodeScalars.map { $0.properties.isUppercase ? $0.properties.lowercaseMapping : $0.properties.uppercaseMapping }.joined())
        case "strip", "lstrip", "rstrip":
            let set = try arguments.bound(name, "chars")[0]
            let dropped: String? =
                if case .none? = set { nil } else { try set.map { (value) throws(TemplateError) in try Optional(value).string(name) } }
            return .string(text.stripped(dropped, left: name != "rstrip", right: name != "lstrip"))
        case "split", "rsplit": return try split(name, text, arguments)
        case "splitlines":
            return .list(text.lines(keepingEnds: try arguments.bound(name, "keepends")[0].isTrue).map { .string($0) })
        case "startswith", "endswith":
            let parts = try arguments.bound(name, "prefix")[0].required(name, "a text")
            let all: [TemplateValue] = if case .tuple(let elements) = parts { elements } else { [parts] }
            for part in all {
                let part = try Optional(part).string(name)
                if name == "startswith" ? text.utf8.starts(with: part.utf8) : text.utf8.reversed().starts(with: part.utf8.reversed()) {
                    return .bool(true)
                }
            }
            return .bool(false)
        case "removeprefix", "removesuffix":
            let part = try arguments.bound(name, "part")[0].string(name)
            let isPrefix = name == "removeprefix"
            guard isPrefix ? text.utf8.starts(with: part.utf8) : text.utf8.reversed().starts(with: part.utf8.reversed()) else { return .string(text) }
            return .string(String(isPrefix ? text.utf8.dropFirst(part.utf8.count) : text.utf8.dropLast(part.utf8.count)) ?? text)
        case "replace":
            let given = try arguments.bound(name, "old", "new", "count")
            return try replaced(text, given, interpreter)
        case "join":
            let elements = try arguments.bound(name, "iterable")[0].required(name, "a list").elements ?? []
            var result = ""
            for (index, element) in elements.enumerated() {
                result += index > 0 ? text : ""
                result += try Optional(element).string(name)
                try interpreter.checkLength(result.utf8.count > interpreter.limits.byteCount ? result.utf8.count : 256)
            }
            return try interpreter.made(result)
        case "find", "rfind", "index", "rindex":
            let part = try arguments.bound(name, "part")[0].string(name)
            guard let place = text.finds(part, last: name.hasPrefix("r")) else {
                if name.hasSuffix("find") { return .integer(-1) }
                throw TemplateError(.failed, "\(TemplateValue.string(part).representation) is not in the text")
            }
            return .integer(String(decoding: text.utf8.prefix(place), as: UTF8.self).unicodeScalars.count)
        case "count":
            let part = try arguments.bound(name, "part")[0].string(name)
            return .integer(part.isEmpty ? text.unicodeScalars.count + 1 : text.split(by: part).count - 1)
        case "partition", "rpartition":
            let separator = try arguments.bound(name, "separator")[0].string(name)
            let parts = text.split(by: separator, limit: 1, fromRight: name == "rpartition")
            let whole = name == "partition" ? [text, "", ""] : ["", "", text]
            return .tuple((parts.count == 2 ? [parts[0], separator, parts[1]] : whole).map { .string($0) })
        case "zfill", "ljust", "rjust", "center": return try padded(name, text, arguments, interpreter)
        case "format", "encode": throw TemplateError(.unsupported, "the method '\(name)' of texts is not implemented; join parts with '~'")
        default: return .bool(text.has(name))
        }
    }

    /// What `replace` gives, as method and as filter.
    static func replaced(_ text: String, _ arguments: [TemplateValue?], _ interpreter: Interpreter) throws(TemplateError) -> TemplateValue {
        let (old, new) = (try arguments[0].required("replace", "a text").text, try arguments[1].required("replace", "a second text").text)
        let limit = try arguments[2].optionalInteger("replace").flatMap { $0 < 0 ? nil : $0 }
        // Counted before it is made, where it could become too long.
        let count = old.isEmpty ? text.unicodeScalars.count + 1 : new.utf8.count > old.utf8.count ? text.split(by: old).count - 1 : 0
        let (added, overflow) = min(limit ?? .max, count).multipliedReportingOverflow(by: new.utf8.count)
        try interpreter.checkLength(overflow ? .max : added)
        return try interpreter.made(text.replacing(old, by: new, limit: limit))
    }

    private static func split(_ name: String, _ text: String, _ arguments: CallArguments) throws(TemplateError) -> TemplateValue {
        let given = try arguments.bound(name, "sep", "maxsplit")
        let limit = try given[1].optionalInteger(name).flatMap { $0 < 0 ? nil : $0 }
        let parts: [String]
        switch given[0] {
        case nil, .some(.none): parts = text.words(limit: limit, fromRight: name == "rsplit")
        default:
            let separator = try given[0].string(name)
            guard !separator.isEmpty else { throw TemplateError(.failed, "\(name) needs a separator that is not empty") }
            parts = text.split(by: separator, limit: limit, fromRight: name == "rsplit")
        }
        return .list(parts.map { .string($0) })
    }

    private static func padded(
        _ name: String, _ text: String, _ arguments: CallArguments, _ interpreter: Interpreter
    ) throws(TemplateError) -> TemplateValue {
        let given = try arguments.bound(name, "width", "fillchar")
        let width = max(0, try given[0].integer(name))
        try interpreter.checkLength(width)
        if name == "zfill" {
            let sign = text.hasPrefix("-") || text.hasPrefix("+") ? String(text.prefix(1)) : ""
            return .string(sign + String(text.dropFirst(sign.count)).padded(to: width - sign.count, with: "0", left: true, right: false))
        }
        let fill = try given[1].string(name, default: " ")
        guard fill.unicodeScalars.count == 1 else {
            throw TemplateError(.failed, "\(name) fills with one character, not with \(fill.unicodeScalars.count)")
        }
        return .string(text.padded(to: width, with: fill, left: name != "ljust", right: name != "rjust"))
    }
}

extension String {
    /// What Python's `isdigit`, `isalpha`, `isupper` and so on say: never true of an empty text.
    fileprivate func has(_ property: String) -> Bool {
        func all(_ holds: (Unicode.Scalar) -> Bool) -> Bool { !isEmpty && unicodeScalars.allSatisfy(holds) }
        func isLetter(_ scalar: Unicode.Scalar) -> Bool {
            switch scalar.properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
            default: false
            }
        }
        let cased = unicodeScalars.filter(\.properties.isCased)
        return switch property {
        case "isdecimal": all { $0.properties.numericType == .decimal }
        case "isdigit": all { $0.properties.numericType == .decimal || $0.properties.numericType == .digit }
        case "isnumeric": all { $0.properties.numericType != nil }
        case "isalpha": all(isLetter)
        case "isalnum": all { isLetter($0) || $0.properties.numericType != nil }
        case "isspace": all(\.isPythonSpace)
        case "isupper": !cased.isEmpty && cased.allSatisfy(\.properties.isUppercase)
        default: !cased.isEmpty && cased.allSatisfy(\.properties.isLowercase)
        }
    }
}
