import BitsOptim
import Testing

@Suite("Learning-rate schedules")
struct LearningRateScheduleTests {
    /// The rates of the first thirteen steps as transformers 5.23 gives them, base 0.002.
    static let recorded: [(name: String, schedule: LearningRateSchedule, rates: [Double])] = [
        ("constant", .constant, [Double](repeating: 0.002, count: 13)),
        ("constant_with_warmup", .constant(warmupSteps: 4), [0, 0.0005, 0.001, 0.0015] + [Double](repeating: 0.002, count: 9)),
        (
            "linear", .linear(warmupSteps: 3, totalSteps: 10),
            [
                0.0, 0.0006666666666666666, 0.0013333333333333333, 0.002, 0.0017142857142857142, 0.0014285714285714286, 0.0011428571428571427,
                0.0008571428571428571, 0.0005714285714285714, 0.0002857142857142857, 0, 0, 0,
            ]
        ),
        (
            "cosine", .cosine(warmupSteps: 3, totalSteps: 10),
            [
                0.0, 0.0006666666666666666, 0.0013333333333333333, 0.002, 0.001900968867902419, 0.0016234898018587336, 0.0012225209339563144,
                0.0007774790660436857, 0.0003765101981412665, 9.903113209758097e-05, 0.0, 9.903113209758086e-05, 0.0003765101981412663,
            ]
        ),
        (
            "cosine, a whole cycle", .cosine(totalSteps: 10, cycles: 1),
            [
                0.002, 0.0018090169943749475, 0.0013090169943749475, 0.0006909830056250527, 0.00019098300562505265, 0.0, 0.00019098300562505244,
                0.0006909830056250524, 0.0013090169943749473, 0.0018090169943749475, 0.002, 0.001809016994374947, 0.0013090169943749477,
            ]
        ),
        (
            "cosine_with_restarts", .cosineWithRestarts(warmupSteps: 2, totalSteps: 11, cycles: 2),
            [
                0.0, 0.001, 0.002, 0.001766044443118978, 0.0011736481776669307, 0.0005000000000000002, 6.0307379214091684e-05, 0.0019396926207859084,
                0.0015000000000000005, 0.0008263518223330697, 0.0002339555568810221, 0, 0,
            ]
        ),
        (
            "polynomial", .polynomial(warmupSteps: 2, totalSteps: 10, power: 2, end: 1e-4),
            [0.0, 0.001, 0.002, 0.0015546875, 0.00116875, 0.0008421875, 0.000575, 0.0003671875, 0.00021875, 0.0001296875, 1e-4, 1e-4, 1e-4]
        ),
        (
            "inverse_sqrt", .inverseSquareRoot(warmupSteps: 4),
            [
                0.0, 0.0005, 0.001, 0.0015, 0.002, 0.0017888543819998318, 0.0016329931618554523, 0.0015118578920369089, 0.001414213562373095,
                0.0013333333333333333, 0.0012649110640673518, 0.0012060453783110546, 0.0011547005383792518,
            ]
        ),
    ]

    @Test("Rates are those of the schedules of the same names", arguments: recorded.indices)
    func rates(index: Int) {
        let (name, schedule, rates) = Self.recorded[index]
        for (step, rate) in rates.enumerated() {
            #expect(abs(schedule.learningRate(0.002, at: step) - rate) < 1e-15, "\(name), step \(step)")
        }
    }

    @Test("A schedule without steps after its warm-up does not divide by zero")
    func shortRuns() {
        #expect(LearningRateSchedule.linear(warmupSteps: 5, totalSteps: 5).learningRate(1, at: 5) == 1)
        #expect(LearningRateSchedule.linear(warmupSteps: 5, totalSteps: 5).learningRate(1, at: 6) == 0)
        #expect(LearningRateSchedule.linear(totalSteps: 0).learningRate(1, at: 1) == 0)
    }
}
