import BitsCore

/// Computes losses pass by pass, without gradients.
///
/// - Parameters:
///   - next: the next pass; nil where there is none.
///   - loss: submits a pass.
///   - take: is given each pass with its loss once the pass after it has been submitted, so that the device never waits for the host.
func forEachLoss<Pass, Failure: Error>(
    _ next: () throws(Failure) -> Pass?, loss: (Pass) -> Tensor, take: (Pass, LateReading) throws(Failure) -> Void
) throws(Failure) {
    var submitted: (pass: Pass, loss: LateReading)?
    while let pass = try next() {
        let previous = submitted
        submitted = (pass, noGradient { loss(pass).readLater() })
        if let previous { try take(previous.pass, previous.loss) }
    }
    if let submitted { try take(submitted.pass, submitted.loss) }
}
