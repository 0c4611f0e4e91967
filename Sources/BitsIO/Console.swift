internal import BitsCore
internal import BitsKernels
internal import BitsSystem

/// Where a command writes: results to standard output, all else to standard error.
package enum Console {
    /// Writes a result, unbuffered.
    ///
    /// - Throws: ``ModelFileError/system(_:)`` when it cannot be written, so that a lost result is not taken for none.
    package static func write(_ text: String) throws(ModelFileError) {
        do { try StandardStream.output.write(Array(text.utf8)) } catch { throw .system(error) }
    }

    /// Writes a result and a line's end.
    package static func writeLine(_ text: String) throws(ModelFileError) { try write(text + "\n") }

    /// Writes something to be read along the way; nothing happens when it cannot be written.
    package static func note(_ text: String) { try? StandardStream.error.write(Array(text.utf8)) }

    /// Writes what deserves attention, a line each, as ``Swift/String/printable``.
    package static func warn(_ warnings: [String]) {
        for warning in warnings { note("bnb: warning: \(warning.printable)\n") }
    }

    /// To be called at a command's start: interruptions, files that vanish while they are read and a lack of memory end it in order.
    ///
    /// - Parameters:
    ///   - lostFile: what standard error says around the file's path, together a line; and the exit code.
    ///   - lackOfMemory: a line for standard error, and the exit code.
    package static func handleSignals(
        lostFile: (before: StaticString, after: StaticString, status: Int32), lackOfMemory: (line: StaticString, status: Int32)
    ) {
        ProcessSignals.letWritesClearUp()
        ProcessSignals.explainLostFile(before: lostFile.before, after: lostFile.after, status: lostFile.status)
        ProcessSignals.explainLackOfMemory(line: lackOfMemory.line, status: lackOfMemory.status)
    }

    /// The signal that interrupted a write, or what is stoppable; nil when there was none.
    package static var interruption: Int32? { ProcessSignals.interruption }

    /// Does something that Ctrl-C stops without ending the command; see ``interruption``.
    package static func stoppable<T>(_ body: () throws -> T) rethrows -> (result: T, wasStopped: Bool) { try ProcessSignals.stoppable(body) }

    /// The next line of standard input, `prompt` before it where a person types it and sees standard error; nil at the end.
    package static func readLine(prompt: String) -> String? {
        if StandardStream.isTyped { note(prompt) }
        return Swift.readLine(strippingNewline: true)
    }

    /// Whether a person is typing standard input.
    package static var isTyped: Bool { StandardStream.isTyped }

    /// Characters that a line of results may hold: of the terminal, 100 where there is none.
    package static var columns: Int { max(60, StandardStream.output.columns ?? 100) }

    /// Whether a person is watching standard error.
    package static var isWatched: Bool { StandardStream.error.isTerminal }

    /// Characters that a line of the terminal holds on which standard error is watched; 80 where it does not say.
    package static var watchedColumns: Int { StandardStream.error.columns ?? 80 }
}
