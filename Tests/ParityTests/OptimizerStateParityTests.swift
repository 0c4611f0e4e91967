import BitsCore
import BitsIO
import BitsKernels
import BitsOptim
import BitsSystem
import Testing
import _BitsTestSupport

@Suite("States that bitsandbytes wrote")
struct OptimizerStateParityTests {
    /// The optimizer of a recorded state, as far as its file does not say; nil for an unknown one.
    private func optimizer(_ name: String, _ parameters: [Parameter]) throws -> Optimizer? {
        let options = OptimizerOptions(minimum8bitCount: 512)
        return switch name {
        case "adam8bit": try .adam8bit(parameters, options: options)
        case "ademamix": try .adEMAMix(parameters)
        case "ademamix8bit": try .adEMAMix8bit(parameters, options: options)
        case "lamb32bit": try .lamb32bit(parameters, LAMB(maxUpdateNorm: 10))
        case "lamb8bit": try .lamb8bit(parameters, LAMB(maxUpdateNorm: 10), options: options)
        case "lion32bit": try .lion32bit(parameters)
        case "rmsprop32bit": try .rmsprop32bit(parameters)
        default: nil
        }
    }

    @Test("They load as they are, in the layout of today and in the flat one of before, and the next step is as there")
    func states() throws {
        let names = try FileSystem.names(in: "\(ParityCases.folder)/states").filter {
            $0.hasSuffix(".safetensors") && $0 != "nf4-as-dict.safetensors"
        }
        try ParityTally.compare("optimizer states", names) { name in
            try check(String(name.dropLast(".safetensors".count)))
            return nil
        }
    }

    private func check(_ name: String) throws {
        let (isFlat, path) = (name.hasSuffix("-flat"), "\(ParityCases.folder)/states/\(name).safetensors")
        let file = try SafetensorsFile(path: path)
        func tensor(_ key: String) throws -> Tensor { try file.tensor(try #require(file[key], "\(name): \(key)"), on: .tested) }
        let parameters = try (0..<2).map { Parameter(try tensor("before.\($0)")) }
        let optimizer = try #require(try optimizer(isFlat ? String(name.dropLast("-flat".count)) : name, parameters), "no optimizer for \(name)")
        try optimizer.loadState(from: path)
        #expect(optimizer.stepCount == 3)
        for (index, parameter) in parameters.enumerated() {
            let moments = try #require(try optimizer.momentValues(of: parameter)).map { try $0.floats() }
            let prefix = "state.\(index)." + (isFlat ? "" : "__bnb_optimizer_quant_state__.")
            var recorded: [[Float]] = []
            for number in [1, 2] where file["\(prefix)state\(number)"] != nil {
                let stored = try tensor("\(prefix)state\(number)").floats()
                let isCodes = file["\(prefix)qmap\(number)"] != nil
                let codebook = isCodes ? try tensor("\(prefix)qmap\(number)").floats() : []
                let scales = isCodes ? try tensor("\(prefix)absmax\(number)").floats() : []
                // The two averages of AdEMAMix lie in one entry.
                for start in stride(from: 0, to: stored.count, by: parameter.count) {
                    let first = recorded.count == 1 && number == 1 ? scales.count / 2 : 0
                    recorded.append(
                        stored[start..<start + parameter.count].enumerated().map { isCodes ? codebook[Int($1)] * scales[first + $0 / 256] : $1 })
                }
            }
            #expect(Array(moments.prefix(recorded.count)) == recorded, "\(name): the moments of \(index)")
            // bitsandbytes takes no notice of the momentum that RMSprop's file has, so it starts at zero, which adds nothing to its first step.
            #expect(moments.dropFirst(recorded.count).joined().allSatisfy { $0 == 0 })
            parameter.gradient = try tensor("gradient.\(index)")
        }
        if name == "rmsprop32bit" { #expect((optimizer.groups[0].rule as? RMSprop)?.momentum == 0.5) }
        if name == "ademamix8bit" { #expect((optimizer.groups[0].rule as? AdEMAMix)?.alphaSteps == 5) }
        try optimizer.step()
        for (index, parameter) in parameters.enumerated() {
            let (found, expected) = (try parameter.value.floats(), try tensor("after.\(index)").floats())
            #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 1e-6 * max(1, abs($1)) }, "\(name): \(index) after the step")
        }
    }
}
