package import BitsKernels

/// Submits one pass again and again: kernel by kernel at first, then as a whole where the device can record it.
package final class PassRecorder {
    /// What is known of the passes since memory moved.
    private enum State {
        case nothing
        /// One was submitted kernel by kernel; how many kernels the host had computed until before it.
        case submitted(referenceRuns: [String: Int])
        case recorded(any RecordedWork)
    }

    private let device: Device
    private var state = State.nothing

    package init(on device: Device) { self.device = device }

    /// - Parameters:
    ///   - staysInPlace: whether the pass finds all of its memory where the last one found it.
    ///   - noteRepetition: does the host's part of a pass that was recorded.
    ///   - pass: submits all kernels of the pass, and does the host's part.
    package func submit(staysInPlace: Bool, noteRepetition: () -> Void, _ pass: () -> Void) {
        guard staysInPlace else {
            state = .nothing
            return pass()
        }
        switch state {
        case .recorded(let work):
            noteRepetition()
            work.submit()
        case .submitted(let runs) where runs == device.referenceRuns:
            guard let work = device.record(pass) else { return pass() }
            work.submit()
            state = .recorded(work)
        case .submitted, .nothing:
            // A kernel that the host computes cannot be recorded.
            let runs = device.referenceRuns
            pass()
            state = .submitted(referenceRuns: runs)
        }
    }
}
