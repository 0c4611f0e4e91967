import BitsCore
import BitsNN
import BitsQuant
import Testing

/// A layer of two linear layers, one of which may be absent.
private final class Pair: Module {
    @Child("first") var first: any LinearLayer
    @Child("second") var second: (any LinearLayer)?
    /// Neither trained nor saved.
    let constant = Parameter(Tensor.ones([1]))

    init(_ first: any LinearLayer, _ second: (any LinearLayer)?) {
        super.init()
        self.first = first
        self.second = second
    }
}

private final class Tree: Module {
    @Weight("scale") var scale: Parameter
    @Weight("shift") var shift: Parameter?
    @Children("blocks") var blocks: [Pair]
    @Child("norm") var norm: RMSNorm

    override init() {
        super.init()
        scale = Parameter(Tensor.ones([2]))
        blocks = [Pair(linear(), linear(bias: true)), Pair(linear(), nil)]
        norm = RMSNorm(weight: Parameter(Tensor.ones([2])), epsilon: 1e-5)
    }
}

private func linear(bias: Bool = false) -> Linear {
    Linear(weight: Parameter(Tensor.ones([2, 2])), bias: bias ? Parameter(Tensor.zeros([2])) : nil)
}

@Suite("Modules")
struct ModuleTests {
    @Test("Each layer's parameters have their names of the checkpoint")
    func layerNames() throws {
        func names(_ module: Module) -> [String] { module.namedParameters().map(\.path) }
        #expect(names(linear()) == ["weight"])
        #expect(names(linear(bias: true)) == ["weight", "bias"])
        #expect(names(try Linear4bit(linear())) == [])
        #expect(names(try Linear4bit(linear(bias: true))) == ["bias"])
        #expect(names(Embedding(weight: Parameter(Tensor.ones([3, 2])))) == ["weight"])
        #expect(names(RMSNorm(weight: Parameter(Tensor.ones([3])), epsilon: 0)) == ["weight"])
    }

    @Test("A tree's names are the paths of what is declared, in that order; what is absent or only stored has none")
    func paths() {
        let tree = Tree()
        #expect(
            tree.namedParameters().map(\.path) == [
                "scale", "blocks.0.first.weight", "blocks.0.second.weight", "blocks.0.second.bias", "blocks.1.first.weight", "norm.weight",
            ])
        #expect(tree.namedModules().map(\.path) == ["", "blocks.0", "blocks.0.first", "blocks.0.second", "blocks.1", "blocks.1.first", "norm"])
        #expect(tree.namedParameters("model").first?.path == "model.scale")
        tree.shift = Parameter(Tensor.ones([2]))
        #expect(tree.namedParameters()[1].path == "shift")
    }

    @Test("Trainable parameters come once each, even where two modules share one")
    func trainable() {
        let tree = Tree()
        tree.blocks[1].first = tree.blocks[0].first
        #expect(tree.namedParameters().count == 6)
        #expect(tree.trainableParameters().count == 5)
        tree.setTrainable(false)
        #expect(tree.trainableParameters().isEmpty)
        tree.norm.weight.isTrainable = true
        #expect(tree.trainableParameters().first === tree.norm.weight)
    }

    @Test("Modules are replaced by path, anywhere in the tree")
    func replacing() throws {
        let tree = Tree()
        let kept = tree.blocks[0].first
        var asked: [String] = []
        try tree.replaceModules { path, module in
            asked.append(path)
            guard let linear = module as? Linear, path.hasSuffix("second") || path == "blocks.1.first" else { return nil }
            return try Linear4bit(linear)
        }
        #expect(asked == ["blocks.0", "blocks.0.first", "blocks.0.second", "blocks.1", "blocks.1.first", "norm"])
        #expect(tree.blocks[0].first === kept)
        #expect(tree.blocks[0].second is Linear4bit)
        #expect(tree.blocks[1].first is Linear4bit)
        #expect(tree.namedParameters().map(\.path) == ["scale", "blocks.0.first.weight", "blocks.0.second.bias", "norm.weight"])
    }

    @Test("What was put in place is not visited, and an error ends the visit")
    func replacingWholeBlocks() throws {
        struct Thrown: Error {}
        let tree = Tree()
        var asked: [String] = []
        tree.replaceModules { path, module in
            asked.append(path)
            return module is Pair ? Pair(linear(), nil) : nil
        }
        #expect(asked == ["blocks.0", "blocks.1", "norm"])
        #expect(tree.blocks[0].second == nil)
        #expect(throws: Thrown.self) { try tree.replaceModules { _, _ in throw Thrown() } }
    }

    @Test("A module of the wrong kind, or one read before it was set, stops the process")
    func mistakes() async {
        await #expect(processExitsWith: .failure) {
            Tree().replaceModules { _, module in module is Pair ? RMSNorm(weight: Parameter(Tensor.ones([2])), epsilon: 0) : nil }
        }
        await #expect(processExitsWith: .failure) {
            let empty = Child<Linear>("empty")
            _ = empty.wrappedValue
        }
    }
}
