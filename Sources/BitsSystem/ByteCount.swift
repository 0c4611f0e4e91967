/// A number of bytes as people read it: `11.0 MB`, in powers of 1000.
package struct ByteCount: CustomStringConvertible, Sendable {
    package let count: Int

    package init(_ count: Int) { self.count = count }

    package var description: String {
        let units = ["bytes", "kB", "MB", "GB", "TB"]
        var (value, unit) = (Double(count), 0)
        while value >= 1000 && unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        return unit == 0 ? "\(count) bytes" : "\(value.fixed(digits: 1)) \(units[unit])"
    }
}
