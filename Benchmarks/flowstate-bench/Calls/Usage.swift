import Glibc

/// How long a measurement took, and how much processor time of this program.
struct Usage: Sendable {
    /// Length of the measurement.
    let seconds: Double
    /// Processor time during it, user and system, of all threads.
    let processorSeconds: Double
}

/// Processor time of this program until now, user and system, in seconds.
func processorSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
