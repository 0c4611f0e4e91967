import BitsTemplate
import Testing

@Suite("Templates")
struct TemplateTests {
    /// What `template` writes without variables but `x`.
    private func rendered(_ template: String, x: TemplateValue = .none, limits: TemplateLimits = TemplateLimits()) throws -> String {
        try Template(template, limits: limits).rendered([("x", x)]) { _ in "now" }.text
    }

    private func error(_ template: String, limits: TemplateLimits = TemplateLimits()) -> TemplateError? {
        #expect(throws: TemplateError.self) { try rendered(template, limits: limits) }
    }

    @Test(
        "What is wrong is said with line and column",
        arguments: [
            ("a\n  {{ x + }}", 2, 10, "a value"), ("{% if x %}\n\nb", 1, 4, "'{% endif %}'"), ("{{ 'a }}", 1, 4, "no end"), ("{{ x ", 1, 1, "'}}'"),
            ("{# x", 1, 1, "'#}'"), ("{% raw %} x", 1, 1, "endraw"), ("\n{{ a.b }}", 2, 5, "'a' is undefined"),
            ("{{ [1, 2)", 1, 9, "']' was expected"),
            ("{% for i in x %}{% endif %}", 1, 20, "'endif'"), ("{{ x|nosuch }}", 1, 5, "'nosuch' is not implemented"),
            ("{{ x is nosuch }}", 1, 6, "'nosuch' is not implemented"), ("{% include 'x' %}", 1, 4, "'include' is not implemented"),
            ("{% nosuch %}", 1, 4, "no statement 'nosuch'"), ("x\r\ny\r\n{{ raise_exception('No!') }}", 3, 4, "the template says: No!"),
            ("{{ 'a'.encode() }}", 1, 4, "'encode' of texts is not implemented"), ("{% set ns.a = 1 %}", 1, 8, "no namespace"),
            ("{% for a, b in [1] %}{% endfor %}", 1, 8, "2 names"), ("{{ 99999999999999999999 }}", 1, 4, "64 bits"),
        ])
    func places(template: String, line: Int, column: Int, part: String) {
        let error = error(template)
        #expect(error?.line == line && error?.column == column, "\(template): \(String(describing: error))")
        #expect(error?.description.contains(part) == true, "\(template): \(String(describing: error))")
    }

    @Test("An error inside a macro has its place there")
    func insideMacro() {
        #expect(error("{% macro f() %}\n{{ 1 / 0 }}{% endmacro %}\n{{ f() }}")?.line == 2)
    }

    @Test(
        "What would never end, or grow beyond bounds, is stopped",
        arguments: [
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            "{{ 'a' * 1000000000 }}", "{{ 'a' * 9223372036854775807 }}", "{{ [1] * 1000000000 }}", "{{ [[]] * 9223372036854775807 }}",
            "{% set ns = namespace(t='aaaaaaaa') %}{% for i in range(60) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
            "{% set ns = namespace(t=[1]) %}{% for i in range(60) %}{% set ns.t = ns.t + ns.t %}{% endfor %}",
            "{% set t = 'a' * 60000000 %}{{ t }}{{ t }}", "{{ range(1000000000)|list }}", "{{ range(-9223372036854775807, 9223372036854775807) }}",
            "{% set t = 'a' * 10000000 %}{{ t.replace('a', t) }}", "{% set t = 'a' * 10000000 %}{{ t|replace('', t) }}",
            "{{ 'a'.center(1000000000) }}",
            "{{ 'a'.zfill(1000000000) }}", "{{ 'a'|indent(1000000000) }}", "{{ ('\n' * 1000000)|indent(1000) }}", "{{ '%1000000000d' % 1 }}",
            "{{ (['aaaaaaaaaa'] * 1000000)|join('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') }}",
            "{% set ns = namespace(t=[]) %}{% for i in range(1000) %}{% set ns.t = [ns.t] %}{% endfor %}",
            "{% set ns = namespace(t=[1]) %}{% for i in range(60) %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}",
            "{% set ns = namespace(t={}) %}{% for i in range(60) %}{% set ns.t = {'a': ns.t, 'b': ns.t} %}{% endfor %}{{ ns.t }}",
            "{% set t = 'a' * 60000000 %}{{ [t, t] }}", "{% set t = 'a' * 60000000 %}{{ [t] * 9 | join }}",
            "{% set t = 'a' * 60000000 %}{{ [t, t]|tojson }}",
            "{{ ([[[[[1]]]]] * 190000)|tojson(indent=100) }}", "{{ '%.999999999f' % 1 }}", "{% set t = 'a' * 60000000 %}{{ t ~ t ~ t }}",
            "{% for x in [[1]] recursive %}{{ loop([x]) }}{% endfor %}",
            "{% for i in range(99999) %}{% set t = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' * 1000000 %}{% endfor %}",
        ])
    func bounded(template: String) {
        var limits = TemplateLimits()
        limits.steps = 200_000
        #expect(error(template, limits: limits)?.kind == .limit)
    }

    @Test(
        "A template that nests 10,000 deep is refused when it is read",
        arguments: [
            ("(", "1", ")"), ("[", "1", "]"), ("{1:", "1", "}"), ("-", "1", ""), ("f(", "1", ")"), ("x if ", "1", ""),
            ("1 if 1 else ", "1", ""),
            ("x|default(", "1", ")"), ("x is eq(", "1", ")"), ("x[", "1", "]"),
        ])
    func deepExpressions(opening: String, inside: String, closing: String) {
        let template = "{{ " + String(repeating: opening, count: 10_000) + inside + String(repeating: closing, count: 10_000) + " }}"
        #expect(error(template)?.kind == .limit)
    }

    @Test(
        "So are blocks that do, and chains that are as long",
        arguments: [
            ("{% if 1 %}", "{% endif %}"), ("{% for i in [1] %}", "{% endfor %}"), ("{% filter upper %}", "{% endfilter %}"),
            ("{% generation %}", "{% endgeneration %}"), ("{% set a %}", "{% endset %}"),
            ("{{ x" + String(repeating: ".a", count: 10_000) + " }}", ""),
            ("{{ x" + String(repeating: "|e", count: 10_000) + " }}", ""), ("{{ x" + String(repeating: " is eq(1)", count: 10_000) + " }}", ""),
            ("{% set " + String(repeating: "(", count: 10_000), ""),
        ])
    func deepStatements(opening: String, closing: String) {
        let count = opening.utf8.count > 1000 ? 1 : 10_000
        #expect(error(String(repeating: opening, count: count) + String(repeating: closing, count: count)) != nil)
    }

    @Test("What is nested as deep as is allowed is carried out")
    func deepest() throws {
        let depth = 60
        #expect(try rendered("{{ " + String(repeating: "(", count: depth) + "1" + String(repeating: ")", count: depth) + " }}") == "1")
        #expect(try rendered(String(repeating: "{% if 1 %}", count: depth) + "1" + String(repeating: "{% endif %}", count: depth)) == "1")
        #expect(try rendered("{{ 0" + String(repeating: " + 1", count: 900) + " }}") == "900")
        #expect(try rendered("{% macro f(n) %}{% if n %}{{ f(n - 1) }}{% endif %}{{ n }}{% endmacro %}{{ f(20) }}").hasSuffix("20"))
    }

    @Test(
        "Numbers at the edges are values or errors",
        arguments: [
            "{{ (-9223372036854775807 - 1) ** 2 }}", "{{ 9223372036854775806 % 9223372036854775807 }}", "{{ (-9223372036854775807 - 1) // -1 }}",
            "{{ -(-9223372036854775807 - 1) }}", "{{ 'a'.center(-9223372036854775807) }}",
            "{{ 'a'|truncate(9223372036854775807, leeway=9223372036854775807) }}",
            "{{ 'abc'[9223372036854775807:-9223372036854775807:-9223372036854775807] }}", "{{ [1]|batch(9223372036854775807, 0)|list }}",
            "{{ 'a'.split('b', 9223372036854775807) }}", "{{ 1|tojson(indent=-1) }}", "{{ 1e308 * 10 }}{{ (1e308 * 10)|int }}{{ (1e308 * 10) % 2 }}",
            "{{ 'a'|center(-5) }}{{ 'a' * -1 }}{{ [1] * -1 }}{{ 'a'|indent(-1) }}", "{{ 2 ** 9223372036854775807 }}",
            "{{ range(5, 1, -9223372036854775807) }}",
            "{{ 1.5|round(99) }}{{ 1|round(-1) }}", "{{ '5'|int(base=1) }}{{ '5'|int(base=99) }}", "{{ 'x'.zfill(-9223372036854775807) }}",
        ])
    func edges(template: String) { _ = try? rendered(template) }

    @Test("A template that is too long is refused before it is read")
    func tooLong() {
        var limits = TemplateLimits()
        limits.source = 1000
        #expect(error(String(repeating: "a", count: 1001), limits: limits)?.kind == .limit)
    }

    @Test("Any text is answered by a text or an error", arguments: 0..<200)
    func anyText(seed: UInt64) {
        var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
        func next(_ bound: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(bound))
        }
        let pieces = [
            "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", " ", "\n", "x", "1", "'a'", "(", ")", "[", "]", "{", "}", ":", ",", ".", "|", "if", "else",
            "for",
            "in", "endfor", "endif", "set", "=", "is", "not", "and", "or", "defined", "upper", "loop", "macro", "~", "**", "//", "%", "raw", "endraw",
            "é", "\u{1F600}",
            "call", "generation", "recursive", "range", "tojson", "join", "slice", "indent", "\\", "'", "\"",
        ]
        let text = (0..<60).map { _ in pieces[next(pieces.count)] }.joined(separator: next(2) == 0 ? " " : "")
        _ = try? rendered(text, x: .list([.string("a"), .integer(1)]))
        _ = try? rendered("{{ \(text) }}", x: .string("a"))
    }

    @Test("What was rendered has the marked places in bytes")
    func generations() throws {
        let rendered = try Template("é{% generation %}ü{% endgeneration %}").rendered([]) { $0 }
        #expect(rendered.text == "éü" && rendered.generations == [2..<4])
        #expect(try Template("{{ strftime_now('%Y') }}").rendered([]) { "year \($0)" }.text == "year %Y")
    }
}
