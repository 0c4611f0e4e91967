/// The time of day, for what people and other programs are to read; durations are measured by `ContinuousClock`.
package enum WallClock {
    /// Seconds since the beginning of 1970.
    package static var seconds: Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
