public import BitsCore
import BitsKernels

/// What an optimizer does to gradients that are too large, before a step.
public enum GradientClipping: Sendable, Equatable {
    /// Scales all gradients together so that their norm is at most this.
    case norm(Double)
    /// Limits every element to this magnitude.
    case value(Double)
    /// Scales each parameter's gradient so that its norm is at most that percentile (0...99) of its norms in the last hundred steps.
    /// Original: `percentile_clipping`.
    case percentile(Int)

    func validate() throws(OptimizerError) {
        switch self {
        case .norm(let limit), .value(let limit):
            guard limit > 0 else { throw .invalidSetting(rule: "clipping", name: "limit", value: "\(limit)", expected: "above 0") }
        case .percentile(let percentile):
            guard (0...99).contains(percentile) else {
                throw .invalidSetting(rule: "clipping", name: "percentile", value: "\(percentile)", expected: "0 to 99")
            }
        }
    }
}

/// The norm of many gradients taken together, as one vector.
public struct GradientNorm: Sendable {
    /// float32 [3]: the factor that brings the norm down to its limit, the norm, the number of elements that are not finite.
    let result: Slice

    /// `gradients` must lie on one device; they count `scale` times. What that makes of them is `kept` for the next norm of the same ones.
    init(of gradients: [Slice], scale: Double = 1, limit: Double = .infinity, keptIn kept: KeptOperands? = nil) {
        let device = gradients[0].device
        result = device.allocate(.float32, count: 3)
        device.run(ClipToNorm(device.norms(of: gradients, keptIn: kept), scale: Float(scale), limit: Float(limit), into: result))
    }

    /// What gradients are multiplied by.
    var factor: Slice { result[0..<1] }

    /// The norm over all finite elements, before clipping.
    ///
    /// - Throws: the first error of the work that leads here.
    public func value() throws(DeviceError) -> Float { try readLater().value() }

    /// How many elements are NaN or infinite; steps leave those out.
    ///
    /// - Throws: the first error of the work that leads here.
    public func nonFiniteCount() throws(DeviceError) -> Int { try readLater().nonFiniteCount() }

    /// The norm, to be asked for after the next step has been submitted; see ``BitsCore/Tensor/readLater()``.
    public func readLater() -> LateGradientNorm { LateGradientNorm(result: LateReading(result)) }
}

/// A ``GradientNorm`` on its way to the host.
public struct LateGradientNorm: Sendable {
    fileprivate let result: LateReading

    /// The norm over all finite elements, before clipping.
    ///
    /// - Throws: the first error of the work that leads to it.
    public func value() throws(DeviceError) -> Float { try result.floats()[1] }

    /// How many elements are NaN or infinite; steps leave those out.
    ///
    /// - Throws: the first error of the work that leads to it.
    public func nonFiniteCount() throws(DeviceError) -> Int { Int(try result.floats()[2]) }

    /// Both, for one wait.
    ///
    /// - Throws: the first error of the work that leads to it.
    public func values() throws(DeviceError) -> (norm: Float, nonFiniteCount: Int) {
        let values = try result.floats()
        return (values[1], Int(values[2]))
    }
}

extension Device {
    /// The norm of each of `gradients`, and how many of its elements are not finite.
    func norms(of gradients: [Slice], keptIn kept: KeptOperands?) -> Slice {
        let norms = allocate(.float32, count: 2 * gradients.count)
        run(VectorNorm(gradients, into: norms, keptIn: kept))
        return norms
    }
}

/// Scales the gradients of `parameters` in place so that their norm, taken together, is at most `limit`. Nil where there is no gradient.
///
/// `g = g * min(1, limit / (norm + 1e-6))`, each product rounded to the gradient's type. An ``Optimizer`` with a ``Optimizer/clipping`` does the same
/// without that rounding and without a pass of its own.
@discardableResult
public func clipGradients(of parameters: [Parameter], toNorm limit: Double) -> GradientNorm? {
    let gradients = parameters.compactMap { $0.gradient?.elements }
    guard !gradients.isEmpty else { return nil }
    let norm = GradientNorm(of: gradients, limit: limit)
    scaleGradients(of: parameters, by: norm.factor)
    return norm
}

/// Limits every element of the gradients of `parameters` to `limit` in magnitude, in place.
public func clipGradients(of parameters: [Parameter], toValue limit: Double) { scaleGradients(of: parameters, limit: Float(limit)) }

/// Replaces gradients by copies that are scaled and limited.
private func scaleGradients(of parameters: [Parameter], by scale: Slice? = nil, limit: Float = .infinity) {
    let scaled = parameters.compactMap { parameter in parameter.gradient.map { (parameter, $0.copied()) } }
    guard let device = scaled.first?.1.device else { return }
    device.run(ScaleInPlace(scaled.map(\.1.elements), by: scale, limit: limit))
    for (parameter, gradient) in scaled { parameter.gradient = gradient }
}

extension Tensor {
    /// The same values in memory of their own.
    fileprivate func copied() -> Tensor {
        let copy = empty(shape)
        device.run(StridedCopy(from: strided, to: copy.strided))
        return copy
    }
}
