import BitsIO
import Synchronization

/// A line on standard error that fills while something long happens; nothing at all unless a person watches.
final class ProgressBar: Sendable {
    private let title: String
    private let isShown = Console.isWatched
    private let start = ContinuousClock.now
    private let shown = Mutex(-1)
    private static let width = 30

    init(_ title: String) { self.title = title }

    deinit { finish() }

    /// Clears the line.
    func finish() {
        shown.withLock {
            if $0 >= 0 { Console.note("\r\u{1b}[K") }
            $0 = -1
        }
    }

    /// Shows that `share` of the work is done, from 0 to 1. What is done within half a second is not shown.
    func update(_ share: Double) {
        guard isShown, ContinuousClock.now - start > .milliseconds(500) else { return }
        let percent = Int(max(0, min(1, share)) * 100)
        let isNew = shown.withLock { shown in
            defer { shown = percent }
            return shown != percent
        }
        guard isNew else { return }
        let filled = percent * ProgressBar.width / 100
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: ProgressBar.width - filled)
        Console.note("\r\(title) [\(bar)] \(percent)%\u{1b}[K")
    }
}
