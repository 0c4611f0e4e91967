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

/// The same for `count` things, `perPass` of them to a pass.
func forEachLoss<Failure: Error>(
    of count: Int, perPass: Int, loss: (Range<Int>) -> Tensor, take: (Range<Int>, LateReading) throws(Failure) -> Void
) throws(Failure) {
    var start = 0
    func next() -> Range<Int>? {
        defer { start += perPass }
        return start < count ? start..<min(start + perPass, count) : nil
    }
    try forEachLoss({ () throws(Failure) -> Range<Int>? in next() }, loss: loss, take: take)
}
