extension Array where Element: BitwiseCopyable {
    /// Gives `body` the bytes that the elements lie in.
    ///
    /// The way to an array's bytes here; not by `span`, which hides from the optimizer that they are read: of an array that it keeps on the stack the
    /// elements need not have been stored by then (Swift 6.3).
    package func withBytes<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        try unsafe withUnsafeBufferPointer { (elements) throws(E) in try unsafe body(UnsafeRawBufferPointer(elements).bytes) }
    }
}
