import BitsCore
import BitsOptim
import Testing
import _BitsTestSupport

/// The rules whose steps are measured against their parameters, on a model all of whose parameters train; those of the adapters in
/// LexiconTrainingTests start at zero, from where such steps never leave.
@Suite("Training in 8 and in 32 bits with bounded steps")
struct TrustTrainingTests {
    private static let rules: [any UpdateRule] = [LAMB(learningRate: 1e-2), LARS(learningRate: 1, momentum: 0.9)]

    /// Losses of a classifier of two layers (16 → 64 → 4) that learns which quarter of a plane each of 512 points lies in.
    private func losses(_ rule: any UpdateRule, _ moments: MomentStorage) throws -> [Float] {
        let points = HostileFloats.ordinary(count: 512 * 16, seed: 1)
        let classes = (0..<512).map { Int32(points[16 * $0] > 0 ? 1 : 0) + Int32(points[16 * $0 + 1] > 0 ? 2 : 0) }
        let (input, targets) = (Tensor(points, shape: [512, 16]), Tensor(classes))
        let inner = Parameter(Tensor(HostileFloats.ordinary(count: 64 * 16, seed: 2).map { 0.3 * $0 }, shape: [64, 16]))
        let outer = Parameter(Tensor(HostileFloats.ordinary(count: 4 * 64, seed: 3).map { 0.1 * $0 }, shape: [4, 64]))
        let optimizer = try Optimizer(groups: [ParameterGroup([inner, outer], rule: rule)], moments: moments)
        return try (0..<60).map { _ in
            let loss = input.linear(inner.tensor).activated(.relu).linear(outer.tensor).crossEntropy(targets).mean()
            loss.backward()
            try optimizer.step()
            optimizer.clearGradients()
            return try loss.detached().item()
        }
    }

    @Test("LAMB and LARS reach with 8-bit moments what they reach with 32-bit ones", arguments: rules.indices)
    func moments(rule index: Int) throws {
        let rule = Self.rules[index]
        let (small, full) = (try losses(rule, .blockwise8bit(minimumCount: 0)), try losses(rule, .float32))
        #expect(full[59] < 0.7 * full[0], "\(type(of: rule)) trains: \(full)")
        #expect(abs(small[59] - full[59]) < 0.01 * full[59], "\(type(of: rule)): \(small[59]) with 8-bit moments, \(full[59]) with 32-bit ones")
        #expect(small[59] != full[59])
    }
}
