internal import Synchronization

/// A place for what a device makes of a kernel's operands: the next kernel whose operands are the same finds it there.
package final class KeptOperands: Sendable {
    private let made = Mutex<(any Sendable)?>(nil)

    package init() {}

    /// Does `work` with what was made before, nil at first, and keeps what it leaves there.
    func renew<Made: Sendable>(_ work: (inout Made?) -> Void) {
        made.withLock { made in
            var own = made as? Made
            // What is changed is to have one owner.
            made = nil
            work(&own)
            made = own
        }
    }
}
