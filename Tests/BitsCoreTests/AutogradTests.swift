import BitsCore
import BitsKernels
import Testing
import _BitsTestSupport

@Suite("Backward passes")
struct AutogradTests {
    @Test("Gradients add up over several backward passes, until they are cleared")
    func accumulation() throws {
        let p = Parameter(Tensor([Float]([1, 2])))
        #expect(p.gradient == nil)
        (p.tensor * 3).sum().backward()
        p.tensor.squared().sum().backward()
        #expect(try p.gradient?.floats() == [5, 7])
        p.gradient = nil
        (p.tensor * 3).sum().backward()
        #expect(try p.gradient?.floats() == [3, 3])
    }

    @Test("A value that is used in many places gathers all its contributions before it passes them on")
    func sharedValues() throws {
        let p = Parameter(Tensor([Float]([2])))
        let x = p.tensor * 3
        // 6, 36, 36 + 6 * 6 + 6 = 78; d/dx (2 x^2 + x) = 4 x + 1 = 25
        let y = x * x + x * x + x
        #expect(try y.item() == 78)
        y.backward()
        #expect(try p.gradient?.item() == 75)
    }

    @Test("A gradient kept from one pass does not change in the next")
    func keptGradient() throws {
        let p = Parameter(Tensor([Float]([1, 2])))
        (p.tensor + p.tensor + p.tensor).sum().backward()
        let kept = try #require(p.gradient)
        (p.tensor + p.tensor + p.tensor).sum().backward()
        #expect(try kept.floats() == [3, 3])
        #expect(try p.gradient?.floats() == [6, 6])
    }

    @Test("Where nothing is trainable no graph is kept")
    func nothingTrainable() {
        let frozen = Parameter(Tensor([Float]([1, 2])), isTrainable: false)
        let trainable = Parameter(Tensor([Float]([1, 2])))
        #expect(!(frozen.tensor * 2 + Tensor([Float]([1, 1]))).carriesGradient)
        #expect((frozen.tensor * trainable.tensor).carriesGradient)
        #expect(!(trainable.tensor * 2).detached().carriesGradient)
        #expect(!trainable.value.carriesGradient)
        let withoutGraph = (frozen.tensor * 2).sum()
        withoutGraph.backward()
        #expect(frozen.gradient == nil)
    }

    @Test("Inside noGradient nothing is recorded, whatever it returns or throws")
    func noGradientIsObeyed() throws {
        struct Thrown: Error {}
        let p = Parameter(Tensor([Float]([1, 2])))
        let x = p.tensor * 2
        #expect(!noGradient { x * x }.carriesGradient)
        #expect(!noGradient { noGradient { p.tensor } + p.tensor }.carriesGradient)
        #expect(throws: Thrown.self) { try noGradient { () throws(Thrown) in throw Thrown() } }
        #expect((x * x).carriesGradient)
    }

    @Test("A computation started outside of noGradient can be walked back inside, and the other way round")
    func acrossTheBorder() throws {
        let p = Parameter(Tensor([Float]([3])))
        let loss = p.tensor.squared()
        noGradient { loss.backward() }
        #expect(try p.gradient?.item() == 6)
    }

    @Test("A parameter that becomes trainable, or stops being it, is taken at its word at the next use")
    func switching() throws {
        let p = Parameter(Tensor([Float]([3])), isTrainable: false)
        p.isTrainable = true
        p.tensor.squared().backward()
        #expect(try p.gradient?.item() == 6)
        p.isTrainable = false
        #expect(!p.tensor.squared().carriesGradient)
    }

    @Test("A new value leaves the gradient alone and remembers nothing of how it was made")
    func newValue() throws {
        let p = Parameter(Tensor([Float]([3])))
        p.tensor.squared().backward()
        p.value = p.tensor * 2
        #expect(!p.value.carriesGradient)
        #expect(try p.value.item() == 6)
        #expect(try p.gradient?.item() == 6)
    }

    @Test("Long chains of operations are walked back, and freed, without deep recursion")
    func longChain() throws {
        let p = Parameter(Tensor([Float]([1])))
        var x = p.tensor
        for _ in 0..<100_000 { x = x + 1 }
        x.backward()
        #expect(try p.gradient?.item() == 1)
    }
}

@Suite("Memory of tensors")
struct TensorMemoryTests {
    @Test("Memory is returned when the last tensor goes")
    func lastTensor() throws {
        let device = Device.deferred()
        do {
            let x = Tensor.ones([10, 10], device: device)
            let view = x.transposed()
            #expect(try view.sum().item() == 100)
            #expect(device.allocatedByteCount == 400)
        }
        try device.synchronize()
        #expect(device.allocatedByteCount == 0)
    }

    @Test("What is kept for the way back goes with the loss, gradients with the parameter")
    func afterBackward() throws {
        let device = Device.deferred()
        do {
            let p = Parameter(Tensor.ones([10], device: device))
            do {
                let loss = ((p.tensor * p.tensor).exp() + p.tensor).softmax().squared().sum()
                loss.backward()
                try device.synchronize()
                #expect(device.allocatedByteCount > 80)
            }
            try device.synchronize()
            #expect(device.allocatedByteCount == 80)
            p.gradient = nil
            #expect(device.allocatedByteCount == 40)
        }
        #expect(device.allocatedByteCount == 0)
    }

    @Test("A parameter whose loss is gone changes in place, also while the device has yet to compute with it")
    func ownership() throws {
        let device = Device.deferred()
        let p = Parameter(Tensor.full(3, shape: [10], device: device))
        do { (p.tensor * p.tensor).sum().backward() }
        device.forgetCounts()
        Parameter.changeElements(of: [p]) { device.run(ScaleAndShift($0[0], scale: 2, into: $0[0])) }
        #expect(device.counts.kernels == ["scale_shift": 1])
        #expect(device.counts.hostWaits == 0)
        #expect(try p.gradient?.floats() == [Float](repeating: 6, count: 10))
        #expect(try p.value.floats() == [Float](repeating: 6, count: 10))
    }

    @Test("Without a trainable parameter intermediate results go at once")
    func intermediates() throws {
        let device = Device.deferred()
        let x = Tensor.ones([1000], device: device)
        var y = x
        for _ in 0..<10 {
            y = y * 0.5 + 1
            try device.synchronize()
            #expect(device.allocatedByteCount == 8000)
        }
    }

    @Test("On the processor as well, measured in a process of its own")
    func processor() async {
        await #expect(processExitsWith: .success) {
            // What lives as long as the process is made first.
            do {
                let p = Parameter(Tensor.ones([4]))
                Parameter.changeElements(of: [p]) { _ in }
            }
            let before = Device.cpu.allocatedByteCount
            do {
                let p = Parameter(Tensor.ones([64, 64]))
                let loss = p.tensor.matrixProduct(p.tensor).softmax().sum()
                loss.backward()
                #expect(Device.cpu.allocatedByteCount > before)
            }
            #expect(Device.cpu.allocatedByteCount == before)
        }
    }
}
