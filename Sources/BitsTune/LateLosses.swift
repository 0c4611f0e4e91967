import BitsCore

/// Computes the losses of `count` things, `perPass` at a time and without gradients.
///
/// - Parameters:
///   - loss: submits a pass.
///   - take: is given each pass with its loss once the pass after it has been submitted, so that the device never waits for the host.
func forEachLoss<Failure: Error>(
    of count: Int, perPass: Int, loss: (Range<Int>) -> Tensor, take: (Range<Int>, LateReading) throws(Failure) -> Void
) throws(Failure) {
    var submitted: (pass: Range<Int>, loss: LateReading)?
    for start in stride(from: 0, to: count, by: perPass) {
        let (previous, pass) = (submitted, start..<min(start + perPass, count))
        submitted = (pass, noGradient { loss(pass).readLater() })
        if let previous { try take(previous.pass, previous.loss) }
    }
    if let submitted { try take(submitted.pass, submitted.loss) }
}
