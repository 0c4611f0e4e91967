internal import CBitsSystem

/// What happens when the system interrupts the process. A library leaves that alone; a command asks for it once, at its start.
package enum ProcessSignals {
    /// From now on an interruption (SIGHUP, SIGINT, SIGTERM) during an atomic write makes the write throw, so that it can clear up; a second one, or one
    /// at another time, ends the process at once. A write beyond the limit on files' sizes fails, too, instead of ending the process.
    package static func letWritesClearUp() { bits_signals_note_interruptions() }

    /// The signal that interrupted a write; nil when there was none.
    package static var interruption: Int32? {
        let number = bits_signals_noted()
        return number == 0 ? nil : number
    }

    /// Keeps interruptions from ending the process, or a write, as long as `body` runs: it looks for one itself, and ends in order. A second one ends the
    /// process at once.
    package static func endingInOrder<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        bits_signals_hold(1)
        bits_signals_let_writes_finish(1)
        defer {
            bits_signals_let_writes_finish(-1)
            bits_signals_hold(-1)
        }
        return try body()
    }

    /// Does something that the person at the terminal may stop: an interruption meanwhile is noted, a second one ends the process at once.
    ///
    /// - Parameter body: is to look at ``interruption`` now and then, and to end early when there is one.
    /// - Returns: what `body` gives, and whether it was SIGINT that stopped it: then that is forgotten, and the process goes on.
    package static func stoppable<T>(_ body: () throws -> T) rethrows -> (result: T, wasStopped: Bool) {
        let hold = Hold()
        defer { _ = hold }
        let result = try body()
        guard interruption == SIGINT else { return (result, false) }
        bits_signals_forget(SIGINT)
        return (result, true)
    }

    /// From now on a mapped file that is shortened or cannot be read any more ends the process with `status`, after a line on standard error: `before`, the
    /// file's path, `after`. What was being written is removed.
    package static func explainLostFile(before: StaticString, after: StaticString, status: Int32) {
        unsafe bits_signals_explain_lost_file(before.characters, after.characters, status)
    }

    /// From now on the process ends with `status`, after `line` on standard error, when it crashes because there is no memory to be had: what Swift's own
    /// allocations do, which cannot fail otherwise. What was being written is removed.
    package static func explainLackOfMemory(line: StaticString, status: Int32) {
        unsafe bits_signals_explain_lack_of_memory(line.characters, status)
    }

    /// Keeps interruptions from ending the process as long as it exists.
    struct Hold: ~Copyable {
        init() { bits_signals_hold(1) }
        deinit { bits_signals_hold(-1) }

        /// - Throws: ``FileError`` when there was an interruption.
        func check(writing path: String) throws(FileError) {
            guard bits_signals_ends_writes() != 0 else { return }
            throw FileError(writing: path, errno: EINTR)
        }
    }
}

/// A note of something for the handlers of signals that end the process, as long as it exists; there may be no room for it.
struct SignalNote: ~Copyable {
    private let number: Int32

    /// `byteCount` bytes at `address` are those of the file at `path`.
    init(mapped path: String, address: UInt, byteCount: Int) { number = unsafe bits_ledger_note_mapped(address, Int64(byteCount), path) }

    /// The file, or folder of files, at `path` is to be removed if the process ends.
    init(unfinished path: String) { number = unsafe bits_ledger_note_unfinished(path) }

    deinit { bits_ledger_forget(number) }
}

extension StaticString {
    fileprivate var characters: UnsafePointer<CChar> { unsafe UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self) }
}
