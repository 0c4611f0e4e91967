package import BitsKernels

/// A weight that training changes: one object seen by its module, its gradient and its optimizer.
///
/// Not `Sendable`: one task owns a model and its parameters.
public final class Parameter {
    /// The value; of a packed parameter unpacked at each call. Setting it leaves the gradient alone; shape and type may change only while there is no
    /// gradient.
    public var value: Tensor {
        get { packed?.unpacked() ?? stored }
        set {
            packed = nil
            // What takes the place of a weight is used as one, an adapter's as an adapter's.
            newValue.slice.buffer.count(as: stored.slice.buffer.use)
            stored = newValue.detached()
            changeCount += 1
        }
    }

    /// Grows whenever ``value`` changes: what was computed from it knows by that when to be computed anew.
    package private(set) var changeCount = 0

    /// Whether computations that use it are recorded and ``Tensor/backward(retainingGraph:)`` computes its gradient.
    public var isTrainable: Bool

    /// Whether optimizers keep its moments in 32 bits though they keep others in 8: the gradients of embeddings differ too much between rows. An override
    /// of the optimizer says otherwise.
    public var keeps32BitMoments = false

    /// What its gradient is rounded to, and kept in; nil for its own type.
    public var gradientDType: DType?

    /// What the value is unpacked from; nil for an ordinary parameter.
    package private(set) var packed: (any PackedValue)?

    /// The value; of a packed parameter zeros of its shape, which take no memory.
    private var stored: Tensor
    private let leaf: TapeNode

    public init(_ value: Tensor, isTrainable: Bool = true) {
        stored = value.detached()
        if stored.slice.buffer.use == .activations {
            stored.slice.buffer.count(as: MemoryCategory.current == .activations ? .weights : .current)
        }
        self.isTrainable = isTrainable
        leaf = TapeNode(slot: GradientSlot())
    }

    /// The sum of the gradients of all ``Tensor/backward(retainingGraph:)`` calls since it was last set to nil; nil before the first. Same shape as
    /// ``value``. Where there were several in 16 bits, they are added up in float32, and the sum is rounded whenever it is read.
    public var gradient: Tensor? {
        get { leaf.slot?.gradient }
        set {
            precondition(newValue == nil || newValue!.shape == shape, "a gradient of shape \(newValue!.shape) for a parameter of shape \(shape)")
            leaf.slot?.set(newValue)
        }
    }

    /// Gives `change` the elements of the ``value`` of each of `parameters`, contiguous, to change in place.
    ///
    /// Tensors that share the memory keep what they have: it is copied first. So no computation that is still to be walked back, which holds every
    /// parameter that it used, should be alive.
    package static func changeElements(of parameters: [Parameter], _ change: ([Slice]) -> Void) {
        let shapes = parameters.map(\.shape)
        let slices = parameters.map { $0.takenElements() }
        change(slices)
        for ((parameter, slice), shape) in zip(zip(parameters, slices), shapes) {
            parameter.stored = Tensor(slice, shape: shape)
            parameter.changeCount += 1
        }
    }

    /// Whether ``changeElements(of:_:)`` would give `elements`, without a copy.
    package func changesInPlace(_ elements: Slice) -> Bool { packed == nil && stored.owns(elements) }

    /// Says that the elements have been changed in place, other than by ``changeElements(of:_:)``.
    package func noteChange() { changeCount += 1 }

    /// Whether ``gradient`` is there, and its elements are `elements`.
    package func hasGradient(_ elements: Slice) -> Bool { leaf.slot?.isGradient(elements) == true }

    /// The elements, contiguous and with no other reference to their memory; the value is vacant until they are put back.
    private func takenElements() -> Slice {
        precondition(packed == nil, "a packed parameter of shape \(shape) does not change")
        var slice = stored.elements
        stored = Parameter.vacant
        if slice.isOnlyReference() { return slice }
        let copy = counted(as: slice.buffer.use) { slice.device.allocate(slice.dtype, count: slice.count) }
        let whole = [slice.count]
        slice.device.run(StridedCopy(from: StridedSlice(contiguous: slice, shape: whole), to: StridedSlice(contiguous: copy, shape: whole)))
        return copy
    }

    /// A parameter of its own with the same value, gradient and settings.
    public func copied() -> Parameter {
        let copy = Parameter(stored, isTrainable: isTrainable)
        copy.packed = packed
        copy.gradient = gradient
        copy.keeps32BitMoments = keeps32BitMoments
        copy.gradientDType = gradientDType
        return copy
    }

    /// Puts value and gradient on `device`; what was computed from it before stays where it is.
    ///
    /// - Throws: the first error of the work that leads here; nothing has moved then.
    public func move(to device: Device) throws(DeviceError) {
        if device == self.device { return }
        let gradient = try gradient?.moved(to: device)
        if let moved = try packed?.moved(to: device) { pack(moved) } else { stored = try stored.moved(to: device) }
        self.gradient = gradient
    }

    /// Keeps `value` in the place of the numbers it stands for; the parameter is frozen, and has no gradient.
    package func pack(_ value: any PackedValue) {
        isTrainable = false
        gradient = nil
        stored = Tensor.zeros([1], dtype: value.dtype, device: value.device).broadcast(to: value.shape)
        packed = value
        changeCount += 1
    }

    /// Stands in for a value while it changes.
    private static let vacant = Tensor(Device.cpu.allocate(.float32, count: 0), shape: [0])

    /// The value as it enters a computation: recorded when the parameter is trainable.
    public var tensor: Tensor {
        guard isTrainable, Tape.isRecording else { return value }
        precondition(packed == nil, "a packed parameter of shape \(shape) is not trained")
        let value = Tensor(stored.slice, shape: stored.shape, strides: stored.strides, node: leaf)
        guard let gradientDType, gradientDType != dtype else { return value }
        return value.recorded(from: [value]) { [$0.cast(to: gradientDType)] }
    }

    public var shape: [Int] { stored.shape }
    public var dtype: DType { stored.dtype }
    public var count: Int { stored.count }
    public var device: Device { stored.device }
}

/// A value in a form that takes less memory than its numbers.
package protocol PackedValue: Sendable {
    var shape: [Int] { get }
    var dtype: DType { get }
    var device: Device { get }
    func unpacked() -> Tensor
    func moved(to device: Device) throws(DeviceError) -> any PackedValue
}
