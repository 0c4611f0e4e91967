package import BitsKernels

/// Submits one pass again and again: as a whole where the device can record it, else kernel by kernel.
package final class PassRecorder {
    /// What is known of the passes at one place of memory.
    private enum State {
        case nothing
        case unrecordable
        case recorded(any RecordedWork)
    }

    private let device: Device
    private var state = State.nothing
    private var place: Int?

    package init(on device: Device) { self.device = device }

    /// - Parameters:
    ///   - place: a number that is the same as long as a pass finds all of its memory where the last one found it; nil for a pass that moves memory.
    ///   - noteRepetition: does the host's part of a pass that was recorded.
    ///   - pass: submits all kernels of the pass, and does the host's part.
    package func submit(at place: Int?, noteRepetition: () -> Void, _ pass: () -> Void) {
        if place != self.place { state = .nothing }
        self.place = place
        switch state {
        case _ where place == nil: pass()
        case .unrecordable: pass()
        case .recorded(let work):
            noteRepetition()
            work.submit()
        case .nothing:
            switch device.record(pass) {
            case .unsupported:
                pass()
                state = .unrecordable
            case .done: state = .unrecordable
            case .failed: break
            case .recorded(let work):
                work.submit()
                state = .recorded(work)
            }
        }
    }
}
