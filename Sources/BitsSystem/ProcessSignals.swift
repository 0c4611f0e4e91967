internal import CBitsSystem

/// What happens when the system interrupts the process. A library leaves that alone; a command asks for it once, at its start.
package enum ProcessSignals {
    /// From now on an interruption (SIGHUP, SIGINT, SIGTERM) during an atomic write makes the write throw, so that it can clear up; a second one, or one
    /// at another time, ends the process at once.
    package static func letWritesClearUp() { bits_signals_note_interruptions() }

    /// The signal that interrupted a write; nil when there was none.
    package static var interruption: Int32? {
        let number = bits_signals_noted()
        return number == 0 ? nil : number
    }

    /// From now on a mapped file that is shortened or cannot be read any more ends the process with `status`, after `line` on standard error.
    package static func explainLostFile(line: StaticString, status: Int32) {
        unsafe bits_signals_explain_lost_file(UnsafeRawPointer(line.utf8Start).assumingMemoryBound(to: CChar.self), status)
    }

    /// Keeps interruptions from ending the process as long as it exists.
    struct Hold: ~Copyable {
        init() { bits_signals_hold(1) }
        deinit { bits_signals_hold(-1) }

        /// - Throws: ``FileError`` when there was an interruption.
        func check(writing path: String) throws(FileError) {
            guard interruption != nil else { return }
            throw FileError(writing: path, errno: EINTR)
        }
    }
}
