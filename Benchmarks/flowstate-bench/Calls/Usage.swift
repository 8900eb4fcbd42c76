import Glibc

/// What a measured time was like for this program.
struct Usage: Sendable {
    /// How long it was.
    let seconds: Double
    /// Processor time in it, user and system, of all threads.
    let processorSeconds: Double
}

/// Processor time of this program until now, user and system, in seconds.
func processorSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
