import BitsCore
import BitsIO
import BitsOptim
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Parity: optimizers")
struct OptimizerParityTests {
    // What holds the cases that are left out:
    // - AdEMAMix in 8 bits on CUDA, and RMSprop and Adagrad in 8 bits with weight decay on CUDA: the processor's cases.
    // - LARS and LAMB in 8 bits on the processor: TextbookTests, which hold the trust clip to its definition.
    // - AdEMAMix32bit, not marked: its state's shape gives it away. GoldenUpdatesTests and TextbookTests hold AdEMAMix with 32-bit moments.
    @Test("Parameters and moments are the recorded ones, step by step")
    func optimizers() throws {
        #expect(try ParityCases.operations("optimizers") == ["optimizer"])
        try ParityCases.compare("optimizers") { parityCase in
            if try isHalfAllotted(parityCase) { return "allots half of the first state and writes behind it, over whatever is there" }
            if try isCoarse(parityCase) { try checkArithmetic(parityCase) } else { try check(parityCase) }
            return nil
        }
    }

    private func isHalfAllotted(_ parityCase: ParityCase) throws -> Bool {
        let (name, bits): (String, Int) = (try parityCase.arguments.require("optimizer"), try parityCase.arguments.require("bits"))
        return try name == "ademamix" && bits == 32 && parityCase.require("state1").shape == parityCase.require("p").shape
    }

    /// Whether the moments went through the processor's table of codes.
    private func isCoarse(_ parityCase: ParityCase) throws -> Bool {
        try parityCase.arguments.require("bits") == 8 && parityCase.tolerance("state1").ignores
    }

    /// Parameters along the steps, and moments at the end.
    private func check(_ parityCase: ParityCase) throws {
        let run = try OptimizerRun(parityCase)
        try compare(parityCase, "trace", try run.trace { _ in })
        let folder = try TemporaryFolder()
        try run.optimizer.saveState(to: "\(folder.path)/state", layout: .flat)
        let state = try SafetensorsFile(path: "\(folder.path)/state")
        for name in parityCase.outputNames where name != "trace" {
            let entry = try #require(state["state.0.\(name)"], "\(parityCase.id): \(name)")
            try compare(parityCase, name, try state.tensor(entry))
        }
    }

    /// Parameters along the steps, where moments go through the processor's codes between steps.
    private func checkArithmetic(_ parityCase: ParityCase) throws {
        let run = try OptimizerRun(parityCase, moments: .float32)
        let folder = try TemporaryFolder()
        let codes = [true: ProcessorCodes(.dynamic), false: ProcessorCodes(.dynamicUnsigned)]
        let trace = try run.trace { step in
            let moments = try #require(try run.optimizer.momentValues(of: run.parameter))
            let stored = try zip(moments, run.rule.moments).map { moment, kind in
                Tensor(try #require(codes[kind.isSigned]).stored(try moment.floats()), shape: moment.shape)
            }
            try run.replaceMoments(stored, step: step, folder)
        }
        try compare(parityCase, "trace", trace)
    }

    private func compare(_ parityCase: ParityCase, _ name: String, _ actual: Tensor) throws {
        guard let expected = try parityCase.output(name) else { return }
        let difference = try parityCase.tolerance(name).difference(actual, expected)
        #expect(difference == nil, "\(parityCase.id): \(name) \(difference ?? "")")
    }
}

/// The optimizer of a case, and its steps.
private struct OptimizerRun {
    let parityCase: ParityCase
    let rule: any UpdateRule
    let parameter: Parameter
    let optimizer: Optimizer

    /// - Parameter moments: nil for those of the case.
    init(_ parityCase: ParityCase, moments: MomentStorage? = nil) throws {
        self.parityCase = parityCase
        rule = try parityCase.updateRule()
        parameter = Parameter(try parityCase.require("p"))
        let recorded = try MomentStorage(bits: parityCase.arguments.require("bits"), minimum8bitCount: parityCase.arguments.require("min_8bit_size"))
        optimizer = try Optimizer(groups: [ParameterGroup([parameter], rule: rule)], moments: moments ?? recorded)
    }

    /// Takes all steps, calls `afterStep` with the number of each; the parameter after those that were kept.
    func trace(_ afterStep: (Int) throws -> Void) throws -> Tensor {
        let gradients = try parityCase.require("grads")
        let kept = try parityCase.arguments.require("kept_steps", as: [Int].self)
        var trace = [Tensor]()
        for step in 1...gradients.shape[0] {
            parameter.gradient = gradients.narrowed(axis: 0, to: step - 1..<step).reshaped(parameter.shape)
            try optimizer.step()
            if kept.contains(step) { trace.append(parameter.value.reshaped([1] + parameter.shape)) }
            try afterStep(step)
        }
        return Tensor.concatenated(trace)
    }

    /// Puts `moments` in place of the optimizer's, by way of a state file.
    func replaceMoments(_ moments: [Tensor], step: Int, _ folder: TemporaryFolder) throws {
        let first = type(of: rule).momentsInFirstEntry
        var tensors = ["state.0.step": Tensor([Float(step)], shape: [])]
        tensors["state.0.state1"] = first == 1 ? moments[0] : Tensor.concatenated(moments[..<first].map { $0.reshaped([1] + $0.shape) })
        for (number, moment) in moments.dropFirst(first).enumerated() { tensors["state.0.state\(number + 2)"] = moment }
        let path = "\(folder.path)/moments"
        try SafetensorsFile.write(tensors, metadata: ["param_groups": "[{\"params\": [0]}]"], to: path)
        try optimizer.loadState(from: path)
    }
}

extension ParityCase {
    /// The rule of a case with its resolved settings.
    fileprivate func updateRule() throws -> any UpdateRule {
        let settings = try #require(try arguments.section("resolved"))
        let betas = try settings.require("betas", as: [Double].self)
        let (lr, eps, decay): (Double, Double, Double) = (
            try settings.require("lr"), try settings.require("eps"), try settings.require("weight_decay")
        )
        let trust: Double = try arguments.require("max_unorm")
        let name: String = try arguments.require("optimizer")
        switch name {
        case "adam": return Adam(learningRate: lr, betas: (betas[0], betas[1]), epsilon: eps, weightDecay: decay)
        case "adamw": return AdamW(learningRate: lr, betas: (betas[0], betas[1]), epsilon: eps, weightDecay: decay)
        case "lamb": return LAMB(learningRate: lr, betas: (betas[0], betas[1]), epsilon: eps, weightDecay: decay, maxUpdateNorm: trust)
        case "ademamix":
            return AdEMAMix(
                learningRate: lr, betas: (betas[0], betas[1], betas[2]), alpha: try settings.require("alpha"),
                alphaSteps: try settings.optional("t_alpha"),
                beta3Steps: try settings.optional("t_beta3"), epsilon: eps, weightDecay: decay)
        case "lion": return Lion(learningRate: lr, betas: (betas[0], betas[1]), weightDecay: decay)
        case "sgd": return SGD(learningRate: lr, momentum: betas[0], dampening: betas[1], weightDecay: decay)
        case "lars": return LARS(learningRate: lr, momentum: betas[0], dampening: betas[1], weightDecay: decay, maxUpdateNorm: trust)
        case "rmsprop": return RMSprop(learningRate: lr, alpha: betas[0], epsilon: eps, weightDecay: decay, momentum: betas[1])
        case "adagrad": return Adagrad(learningRate: lr, weightDecay: decay, epsilon: eps)
        default: throw arguments.error("names the unknown optimizer '\(name)' in case \(id)")
        }
    }
}
