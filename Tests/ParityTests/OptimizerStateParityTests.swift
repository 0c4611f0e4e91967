import BitsCore
import BitsIO
import BitsOptim
import Testing
import _BitsTestSupport

@Suite("States that bitsandbytes wrote")
struct OptimizerStateParityTests {
    @Test("They load as they are, and the next step is as there", arguments: ["adam8bit", "lion32bit", "rmsprop32bit"])
    func states(name: String) throws {
        let path = "\(ParityCases.folder)/states/\(name).safetensors"
        let file = try SafetensorsFile(path: path)
        func floats(_ name: String) throws -> [Float] { try file.tensor(try #require(file[name])).floats() }
        let parameters = try (0..<2).map { Parameter(try file.tensor(try #require(file["before.\($0)"]))) }
        let optimizer =
            switch name {
            case "adam8bit": try Optimizer.adam8bit(parameters, options: OptimizerOptions(minimum8bitCount: 512))
            case "lion32bit": try Optimizer.lion32bit(parameters)
            // bitsandbytes takes no notice of the momentum that its file has.
            default: try Optimizer.rmsprop32bit(parameters)
            }
        try optimizer.loadState(from: path)
        #expect(optimizer.stepCount == 3)
        for (index, parameter) in parameters.enumerated() {
            let moments = try #require(try optimizer.momentValues(of: parameter))
            let prefix = "state.\(index).__bnb_optimizer_quant_state__."
            for (number, moment) in moments.prefix(name == "rmsprop32bit" ? 1 : 2).enumerated() {
                let stored = try floats("\(prefix)state\(number + 1)")
                if file["\(prefix)qmap\(number + 1)"] == nil {
                    #expect(try moment.floats() == stored)
                } else {
                    let (codebook, scales) = (try floats("\(prefix)qmap\(number + 1)"), try floats("\(prefix)absmax\(number + 1)"))
                    #expect(try moment.floats() == stored.enumerated().map { codebook[Int($1)] * scales[$0 / 256] })
                }
            }
            parameter.gradient = try file.tensor(try #require(file["gradient.\(index)"]))
        }
        if name == "rmsprop32bit" {
            #expect((optimizer.groups[0].rule as? RMSprop)?.momentum == 0.5)
            #expect(try optimizer.momentValues(of: parameters[0])?[1].floats() == [Float](repeating: 0, count: 600))
        }
        // A momentum that starts at zero adds nothing to its first step.
        try optimizer.step()
        for (index, parameter) in parameters.enumerated() {
            let (found, expected) = (try parameter.value.floats(), try floats("after.\(index)"))
            #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 1e-6 * max(1, abs($1)) }, "\(index)")
        }
    }
}
