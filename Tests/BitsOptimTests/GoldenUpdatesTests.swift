import BitsCore
import BitsOptim
import Testing

/// Two steps whose results bitsandbytes 0.50.2 gives on the processor, to the last digit that it prints.
///
/// It takes `1 - beta` before rounding where CUDA and this package round beta first: for 0.999 that is 1.3e-5 of the share. Without decoupled decay where
/// it follows the step here and precedes it there.
@Suite("Two steps as bitsandbytes takes them")
struct GoldenUpdatesTests {
    struct Golden: Sendable, CustomTestStringConvertible {
        var rule: any UpdateRule
        var parameter: [Float]
        var moments: [[Float]]
        var testDescription: String { type(of: rule).name }
    }

    static let second: [Float] = [0.000259990018, 0.000102460006, 0.000105535015, 0.000159840012]
    static let first: [Float] = [-0.0410000011, 0.00699999928, 0.0395000018, 0.0360000022]

    static let all: [Golden] = [
        Golden(
            rule: AdamW(learningRate: 0.1, weightDecay: 0), parameter: [0.959835410, -1.916273236, 0.309520215, -0.167005822],
            moments: [first, second]),
        Golden(
            rule: Lion(learningRate: 0.1, weightDecay: 0.1), parameter: [0.981100023, -1.9612, 0.291050017, -0.199000001],
            moments: [[-0.0040099998, 0.000519999769, 0.00422, 0.00396000035]]),
        Golden(
            rule: SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.1), parameter: [1.00220001, -1.92940009, 0.416350007, -0.0755999982],
            moments: [[-0.222000018, -0.305999994, 0.486500025, 0.355999976]]),
        Golden(
            rule: RMSprop(learningRate: 0.1, weightDecay: 0.1), parameter: [0.929117978, -1.35267293, -0.710537672, -0.756314754],
            moments: [[0.00289599947, 0.00180900004, 0.00126900012, 0.00168400002]]),
        Golden(
            rule: Adagrad(learningRate: 0.1, weightDecay: 0.1), parameter: [0.989876807, -1.91483402, 0.357358068, -0.0975007787],
            moments: [[0.208100006, 0.163600013, 0.14972502, 0.160100013]]),
        Golden(
            rule: LARS(learningRate: 0.1, momentum: 0.9, weightDecay: 0.1), parameter: [1.00008595, -1.99538362, 0.494564086, -0.00493560079],
            moments: [[-0.220131949, -0.309736103, 0.489769131, 0.359736085]]),
        Golden(
            rule: AdEMAMix(learningRate: 0.1, alphaSteps: 10, beta3Steps: 10, weightDecay: 0),
            parameter: [0.959827423, -1.916191101, 0.309314221, -0.167195514],
            moments: [first, [-0.000149945379, -7.36164802e-05, 0.000359429541, 0.000396237796], second]),
    ]

    @Test("Parameter and moments are the recorded ones", arguments: all)
    func golden(_ golden: Golden) throws {
        let parameter = Parameter(Tensor([1, -2, 0.5, 0]))
        let optimizer = try Optimizer(groups: [ParameterGroup([parameter], rule: golden.rule)])
        for gradient in [[0.1, -0.2, 0.3, 0.4], [-0.5, 0.25, 0.125, 0]] as [[Float]] {
            parameter.gradient = Tensor(gradient)
            try optimizer.step()
        }
        for (found, wanted) in zip(try parameter.value.floats(), golden.parameter) { #expect(abs(found - wanted) <= 1e-6) }
        let moments = try #require(try optimizer.momentValues(of: parameter))
        #expect(moments.count == golden.moments.count)
        for (moment, wanted) in zip(moments, golden.moments) {
            for (found, wanted) in zip(try moment.floats(), wanted) { #expect(abs(found - wanted) <= 2e-5 * abs(wanted) + 1e-8) }
        }
    }
}
