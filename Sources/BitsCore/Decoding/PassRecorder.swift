package import BitsKernels

/// Submits one pass again and again: kernel by kernel at first, then as a whole where the device can record it.
package final class PassRecorder {
    /// What is known of the passes at one place of memory.
    private enum State {
        case nothing
        /// One was submitted kernel by kernel; how many kernels the host had computed until before it.
        case submitted(referenceRuns: [String: Int])
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
        if place == nil || place != self.place { state = .nothing }
        self.place = place
        switch state {
        case _ where place == nil: pass()
        case .recorded(let work):
            noteRepetition()
            work.submit()
        case .submitted(let runs) where runs == device.referenceRuns:
            switch device.record(pass) {
            case .unsupported: pass()
            case .failed: state = .nothing
            case .recorded(let work):
                work.submit()
                state = .recorded(work)
            }
        case .submitted, .nothing:
            // A kernel that the host computes cannot be recorded.
            let runs = device.referenceRuns
            pass()
            state = .submitted(referenceRuns: runs)
        }
    }
}
