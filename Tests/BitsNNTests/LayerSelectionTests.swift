import BitsCore
import BitsNN
import BitsQuant
import Testing

@Suite("Which layers are quantized")
struct LayerSelectionTests {
    @Test(
        "A skip matches a path, its beginning or a regular expression up to a boundary, or its end",
        arguments: [
            ("lm_head", "lm_head", true), ("lm_head", "model.lm_head", true), ("head", "lm_head", true), ("lm", "lm_head", false),
            ("model.layers.1", "model.layers.1", true), ("model.layers.1", "model.layers.1.mlp.up_proj", true),
            ("model.layers.1", "model.layers.10.mlp.up_proj", false), ("layers.1", "model.layers.1.mlp.up_proj", false),
            ("model.layers.[0-3]", "model.layers.2.mlp.up_proj", true), ("model.layers.[0-3]", "model.layers.4.mlp.up_proj", false),
            ("model.layers.[0-3]", "model.layers.25.mlp.up_proj", false), (".*mlp", "model.layers.0.mlp.up_proj", true),
            (".*\\.(q|k)_proj", "layers.0.attn.k_proj", true), (".*\\.(q|k)_proj", "layers.0.attn.k_projector", false),
            ("down_proj", "model.layers.1.mlp.down_proj", true), ("down_proj", "model.down_proj.inner", false),
            ("*", "model.layers.1", false), ("layers.[", "model.layers.[", true), ("layers.[", "model.layers.1", false), ("", "lm_head", false),
            ("layers\\.\\d+", "layers.12.up", true), ("layers\\.\\d{1,2}", "layers.123.up", false), ("layers\\.\\d{3}", "layers.123.up", true),
            ("layers\\.\\d{2,}", "layers.1", false), ("layers.[^0-3]", "layers.4", true), ("layers.[^0-3]", "layers.3", false),
            ("[a-z_]+", "lm_head", true), ("(?:up|down)\\w*?", "up_proj.inner", true), ("(up|)x", "x", true), ("((a*)*)*", "aa.b", true),
            ("^up$", "up", true), ("^up$", "up.inner", false), ("a{,2}", "a{,2}", true), ("(?!up).*", "down", false), ("(?!up", "x.(?!up", true),
            ("a**", "aa", false), ("\\Aup", "up", false), ("(((((a){1000}){1000}){1000}){1000})?b", "b", false),
        ])
    func patterns(text: String, path: String, expected: Bool) {
        #expect(ModulePattern(text).matches(path) == expected)
    }

    @Test(
        "No expression takes longer than the path is long",
        arguments: ["(.*)*x", "(a|a)*x", ".*.*.*.*.*.*.*.*.*.*x", "((a+)+)+x", "(a?){500}x", String(repeating: "(", count: 100_000)])
    func time(text: String) {
        let path = String(repeating: "a", count: 2000)
        let duration = ContinuousClock().measure { #expect(!ModulePattern(text).matches(path)) }
        #expect(duration < .seconds(5))
    }

    private func layer(_ path: String, _ role: ModelPlan.Layer.Role = .linear) throws -> ModelPlan.Layer {
        let stack = Stack([path: true, "other": true], isHead: role == .head)
        return try #require(ModelPlan(stack).layers.first)
    }

    @Test("Without a list what is kept by default stays, heads unless it is said what becomes of them; a list replaces that")
    func defaults() throws {
        var selection = LayerSelection(ModelQuantization(.int8()))
        #expect(try selection.reasonToKeep(layer("score", .head)) == "output heads stay as they are")
        #expect(try selection.reasonToKeep(layer("layers.0.up")) == nil)
        #expect(selection.unmatchedSkips == [])
        var taking = LayerSelection(ModelQuantization(head: .int8()))
        #expect(try taking.reasonToKeep(layer("score", .head)) == nil)
        var listed = LayerSelection(ModelQuantization(.int8(), head: .int8(), skipping: ["up", "layers.0", "nothing"]))
        #expect(listed.unmatchedSkips == ["up", "layers.0", "nothing"])
        #expect(try listed.reasonToKeep(layer("score", .head)) == nil)
        #expect(try listed.reasonToKeep(layer("layers.0.up")) == "is on the skip list ('up')")
        #expect(listed.unmatchedSkips == ["nothing"])
        var nothing = LayerSelection(ModelQuantization(.int8(), skipping: []))
        #expect(try nothing.reasonToKeep(layer("score", .head)) == nil)
    }

    @Test("By default heads stay, shared weights do, and the last weight; a bias at the end keeps nothing, nor does a name")
    func keptByDefault() {
        #expect(Stack(["score": true, "up": true], isHead: true).keptByDefault == ["score": "output heads stay as they are"])
        #expect(Stack(["up": false, "embed_out": false]).keptByDefault == ["embed_out": "the last layer stays as it is"])
        #expect(Stack(["up": false, "lm_head": true]).keptByDefault == [:])
        let tied = Stack(["up": false, "output": true])
        tied.second.wrappedValue.weight = tied.first.wrappedValue.weight
        #expect(tied.keptByDefault == ["up": "shares its weight with output", "output": "shares its weight with up"])
    }
}

/// Two linear layers under any names, with a bias or without; the first may be a head.
private final class Stack: Module {
    let first: Child<Linear>
    let second: Child<Linear>
    private let isHead: Bool

    init(_ layers: KeyValuePairs<String, Bool>, isHead: Bool = false) {
        (first, second) = (Child(layers[0].key), Child(layers[1].key))
        self.isHead = isHead
        super.init()
        for (child, layer) in zip([first, second], layers) {
            child.wrappedValue = Linear(weight: Parameter(.ones([2, 2])), bias: layer.value ? Parameter(.ones([2])) : nil)
        }
    }

    override var outputHeads: [any LinearLayer] { isHead ? [first.wrappedValue] : [] }
}
