/// The process's standard output and error.
package enum StandardStream: Int32, Sendable {
    case output = 1
    case error = 2

    /// Whether a person is looking.
    package var isTerminal: Bool { isatty(rawValue) == 1 }

    /// Characters that a line of the terminal holds; nil where there is none, or it does not say.
    package var columns: Int? {
        var size = winsize()
        guard unsafe ioctl(rawValue, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    /// Whether a person is typing what standard input gives.
    package static var isTyped: Bool { isatty(STDIN_FILENO) == 1 }

    /// Writes all of `bytes` at once.
    ///
    /// - Throws: ``FileError`` when what is behind the stream refuses, for instance a full disk.
    package func write(_ bytes: [UInt8]) throws(FileError) {
        try FileSystem.write(bytes, to: rawValue) {
            FileError(path: "standard \(self)", message: "cannot be written: \(unsafe String(cString: strerror($0)))", code: $0)
        }
    }
}
