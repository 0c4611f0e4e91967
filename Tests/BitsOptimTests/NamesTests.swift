import BitsCore
import BitsIO
import BitsOptim
import Testing

@Suite("Names of optimizers")
struct NamesTests {
    static let constructors: [(name: String, make: @Sendable ([Parameter]) throws -> Optimizer, rule: String, bits: Int, paged: Bool)] = [
        ("Adam", { try Optimizer.adam($0) }, "adam", 32, false), ("Adam8bit", { try Optimizer.adam8bit($0) }, "adam", 8, false),
        ("Adam32bit", { try Optimizer.adam32bit($0) }, "adam", 32, false), ("PagedAdam", { try Optimizer.pagedAdam($0) }, "adam", 32, true),
        ("PagedAdam8bit", { try Optimizer.pagedAdam8bit($0) }, "adam", 8, true),
        ("PagedAdam32bit", { try Optimizer.pagedAdam32bit($0) }, "adam", 32, true),
        ("AdamW", { try Optimizer.adamW($0) }, "adamw", 32, false), ("AdamW8bit", { try Optimizer.adamW8bit($0) }, "adamw", 8, false),
        ("AdamW32bit", { try Optimizer.adamW32bit($0) }, "adamw", 32, false), ("PagedAdamW", { try Optimizer.pagedAdamW($0) }, "adamw", 32, true),
        ("PagedAdamW8bit", { try Optimizer.pagedAdamW8bit($0) }, "adamw", 8, true),
        ("PagedAdamW32bit", { try Optimizer.pagedAdamW32bit($0) }, "adamw", 32, true),
        ("AdEMAMix", { try Optimizer.adEMAMix($0) }, "ademamix", 32, false),
        ("AdEMAMix8bit", { try Optimizer.adEMAMix8bit($0) }, "ademamix", 8, false),
        ("AdEMAMix32bit", { try Optimizer.adEMAMix32bit($0) }, "ademamix", 32, false),
        ("PagedAdEMAMix", { try Optimizer.pagedAdEMAMix($0) }, "ademamix", 32, true),
        ("PagedAdEMAMix8bit", { try Optimizer.pagedAdEMAMix8bit($0) }, "ademamix", 8, true),
        ("PagedAdEMAMix32bit", { try Optimizer.pagedAdEMAMix32bit($0) }, "ademamix", 32, true),
        ("LAMB", { try Optimizer.lamb($0) }, "lamb", 32, false), ("LAMB8bit", { try Optimizer.lamb8bit($0) }, "lamb", 8, false),
        ("LAMB32bit", { try Optimizer.lamb32bit($0) }, "lamb", 32, false),
        ("LARS", { try Optimizer.lars($0, LARS(learningRate: 1, momentum: 0.9)) }, "lars", 32, false),
        ("LARS8bit", { try Optimizer.lars8bit($0, LARS(learningRate: 1, momentum: 0.9)) }, "lars", 8, false),
        ("LARS32bit", { try Optimizer.lars32bit($0, LARS(learningRate: 1, momentum: 0.9)) }, "lars", 32, false),
        ("Lion", { try Optimizer.lion($0) }, "lion", 32, false),
        ("Lion8bit", { try Optimizer.lion8bit($0) }, "lion", 8, false), ("Lion32bit", { try Optimizer.lion32bit($0) }, "lion", 32, false),
        ("PagedLion", { try Optimizer.pagedLion($0) }, "lion", 32, true), ("PagedLion8bit", { try Optimizer.pagedLion8bit($0) }, "lion", 8, true),
        ("PagedLion32bit", { try Optimizer.pagedLion32bit($0) }, "lion", 32, true), ("RMSprop", { try Optimizer.rmsprop($0) }, "rmsprop", 32, false),
        ("RMSprop8bit", { try Optimizer.rmsprop8bit($0) }, "rmsprop", 8, false),
        ("RMSprop32bit", { try Optimizer.rmsprop32bit($0) }, "rmsprop", 32, false),
        ("SGD", { try Optimizer.sgd($0, SGD(learningRate: 1, momentum: 0.9)) }, "momentum", 32, false),
        ("SGD8bit", { try Optimizer.sgd8bit($0, SGD(learningRate: 1, momentum: 0.9)) }, "momentum", 8, false),
        ("SGD32bit", { try Optimizer.sgd32bit($0, SGD(learningRate: 1, momentum: 0.9)) }, "momentum", 32, false),
        ("Adagrad", { try Optimizer.adagrad($0) }, "adagrad", 32, false), ("Adagrad8bit", { try Optimizer.adagrad8bit($0) }, "adagrad", 8, false),
        ("Adagrad32bit", { try Optimizer.adagrad32bit($0) }, "adagrad", 32, false),
    ]

    @Test("All 39 documented classes have a constructor that steps")
    func constructors() throws {
        #expect(Self.constructors.count == 39)
        for (name, make, rule, bits, paged) in Self.constructors {
            let parameter = Parameter(Tensor.ones([4096]))
            parameter.gradient = Tensor.ones([4096])
            let optimizer = try make([parameter])
            #expect(type(of: optimizer.groups[0].rule).name == rule, "\(name)")
            let expected: MomentStorage = bits == 8 ? .blockwise8bit(paged: paged) : .float32(paged: paged)
            #expect(optimizer.moments == expected, "\(name)")
            try optimizer.step()
            #expect(try parameter.value.floats()[0] < 1, "\(name)")
        }
    }

    @Test("The guide for those who come from bitsandbytes lists every class")
    func guide() throws {
        let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
        let file = try MappedFile(path: "\(root)/Docs/coming-from-bitsandbytes.md")
        let guide = String(decoding: file.bytes(in: 0..<file.byteCount), as: UTF8.self)
        for (name, _, _, _, paged) in Self.constructors {
            #expect(guide.contains("| `\(name)`") || guide.contains("| `\(name)(optim_bits=32)`"), "\(name)")
            if paged { #expect(guide.contains(".paged\(name.dropFirst(5))"), "\(name)") }
        }
    }

    @Test("Classes with a choice of bits take 8 and 32 and refuse others")
    func bits() throws {
        let parameters = [Parameter(Tensor([1.0]))]
        #expect(try Optimizer.adamW(parameters, bits: 8, paged: true).moments == .blockwise8bit(paged: true))
        #expect(throws: OptimizerError.invalidSetting(rule: "moments", name: "optim_bits", value: "16", expected: "8 or 32")) {
            try Optimizer.lion(parameters, bits: 16)
        }
        #expect(try Optimizer.lion8bit(parameters, bits: 8, paged: true).moments == .blockwise8bit(paged: true))
        #expect(throws: OptimizerError.self) { try Optimizer.lion8bit(parameters, bits: 32) }
    }

    @Test("Classes take groups, each with its own settings, and parameters with their names")
    func groupsAndNames() throws {
        let named = ["model.embed_tokens.weight", "head.weight"].map { (path: $0, parameter: Parameter(Tensor.ones([8192]))) }
        let optimizer = try Optimizer.adamW8bit(named, AdamW(learningRate: 2e-4))
        #expect(optimizer.groups[0].names == named.map(\.path))
        #expect(try optimizer.keep32BitEmbeddings().names == ["model.embed_tokens.weight"])
        #expect(try Optimizer.sgd(named, SGD(learningRate: 1)).groups[0].names == named.map(\.path))
        #expect(try Optimizer.pagedAdEMAMix(named).keep32BitEmbeddings().names == ["model.embed_tokens.weight"])
        #expect(try Optimizer(named, rule: Lion()).keep32BitEmbeddings().names == ["model.embed_tokens.weight"])

        let groups = [0.25, 0.5].enumerated().map { ParameterGroup([named[$0].parameter], rule: SGD(learningRate: $1)) }
        for (_, parameter) in named { parameter.gradient = .ones([8192]) }
        try Optimizer.sgd32bit(groups: groups).step()
        #expect(try named.map { try $0.parameter.value.floats()[0] } == [0.75, 0.5])
        #expect(throws: OptimizerError.self) { try Optimizer.adamW8bit(groups: groups) }
    }

    @Test("Embeddings cannot be told where no parameter has a name, and that is said")
    func unnamed() throws {
        let optimizer = try Optimizer.adamW8bit([Parameter(Tensor.ones([8192]))])
        #expect(throws: OptimizerError.unnamedParameters) { try optimizer.keep32BitEmbeddings() }
        #expect("\(OptimizerError.unnamedParameters)".contains("namedParameters()"))
    }

    @Test("Arguments that every class has arrive where they count")
    func options() throws {
        let parameters = [Parameter(Tensor([1.0]))]
        let options = OptimizerOptions(minimum8bitCount: 7, percentileClipping: 5, skipsZeros: true, schedule: .constant(warmupSteps: 3))
        let optimizer = try Optimizer.adam8bit(parameters, Adam(learningRate: 0.1), options: options)
        #expect(optimizer.moments.minimum8bitCount == 7 && optimizer.clipping == .percentile(5) && optimizer.skipsZeros)
        #expect(optimizer.currentLearningRate() == 0)
        #expect(throws: OptimizerError.self) { try Optimizer.adam8bit(parameters, options: OptimizerOptions(blockWise: false)) }
        #expect(throws: OptimizerError.self) {
            try Optimizer.adam8bit(parameters, options: OptimizerOptions(percentileClipping: 5, clipping: .norm(1)))
        }
        let paging = OptimizerOptions(paging: Paging(folder: "/var/tmp", minimumCount: 1))
        #expect(
            try Optimizer.pagedLion8bit(parameters, options: paging).moments == .blockwise8bit().paged(Paging(folder: "/var/tmp", minimumCount: 1)))
        #expect(throws: OptimizerError.self) { try Optimizer.lion8bit(parameters, options: paging) }
    }

    @Test(
        "Trainers' names stand for a rule, bits and paging",
        arguments: [
            ("adamw_bnb_8bit", "adamw", 8, false), ("adamw_8bit", "adamw", 8, false), ("paged_adamw_32bit", "adamw", 32, true),
            ("paged_adamw_8bit", "adamw", 8, true), ("ademamix", "ademamix", 32, false), ("ademamix_8bit", "ademamix", 8, false),
            ("paged_ademamix_32bit", "ademamix", 32, true), ("paged_ademamix_8bit", "ademamix", 8, true), ("lion_32bit", "lion", 32, false),
            ("lion_8bit", "lion", 8, false), ("paged_lion_32bit", "lion", 32, true), ("paged_lion_8bit", "lion", 8, true),
            ("rmsprop_bnb", "rmsprop", 32, false), ("rmsprop_bnb_32bit", "rmsprop", 32, false), ("rmsprop_bnb_8bit", "rmsprop", 8, false),
        ])
    func names(name: String, rule: String, bits: Int, paged: Bool) throws {
        let name = try OptimizerName(name)
        #expect(name.storage == (bits == 8 ? .blockwise8bit(paged: paged) : .float32(paged: paged)))
        let made = try name.rule(learningRate: 3e-4, adamBetas: (0.8, 0.95), adamEpsilon: 1e-6, weightDecay: 0.1)
        #expect(type(of: made).name == rule)
        #expect(made.learningRate == 3e-4)
        if let lion = made as? Lion { #expect(lion.betas == (0.8, 0.95)) }
        if let adam = made as? AdamW { #expect(adam.betas == (0.8, 0.95) && adam.epsilon == 1e-6 && adam.weightDecay == 0.1) }
    }

    @Test("Arguments in text change the rule, or are refused by name")
    func arguments() throws {
        let name = try OptimizerName("ademamix_8bit")
        let rule = try #require(try name.rule(learningRate: 1, arguments: "beta3=0.999, alpha=2,t_alpha=100, t_beta3=50") as? AdEMAMix)
        #expect(rule.betas == (0.9, 0.999, 0.999) && rule.alpha == 2 && rule.alphaSteps == 100 && rule.beta3Steps == 50)
        let rmsprop = try #require(
            try OptimizerName("rmsprop_bnb").rule(learningRate: 1, arguments: "alpha=0.9,momentum=0.5,centered=true") as? RMSprop)
        #expect(rmsprop.alpha == 0.9 && rmsprop.momentum == 0.5 && rmsprop.centered)
        #expect(throws: OptimizerError.self) { try name.rule(learningRate: 1, arguments: "alhpa=2") }
        #expect(throws: OptimizerError.self) { try name.rule(learningRate: 1, arguments: "alpha=much") }
    }

    @Test("An unknown name asks what was meant")
    func unknown() {
        do {
            _ = try OptimizerName("paged_adamw_8bits")
            Issue.record("no error")
        } catch {
            #expect("\(error)".contains("did you mean 'paged_adamw_8bit'?"))
        }
    }
}
