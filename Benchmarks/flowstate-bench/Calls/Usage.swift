import Foundation
import Glibc

/// How long a measurement took, and how much processor time.
struct Usage: Sendable {
    /// Length of the measurement.
    let seconds: Double
    /// Processor time during it.
    let processor: ProcessorTime
}

/// Processor time, user and system, of all threads, in seconds.
struct ProcessorTime: Sendable {
    /// Of this program.
    var client = 0.0
    /// Of the server. Nil: its process is not known, or has ended.
    var server: Double?
    /// Of all processes that the server started and that run: its PostgreSQL. Nil: as above.
    var postgres: Double?

    /// Until now. The kernel counts the time of other processes in ticks of 10 ms.
    ///
    /// - Parameter server: the server's process on this machine.
    static func now(server: pid_t?) -> ProcessorTime {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        var result = ProcessorTime(client: seconds(usage.ru_utime) + seconds(usage.ru_stime))
        let processes = server == nil ? [:] : ProcessEntry.all()
        if let server, let entry = processes[server] {
            result.server = entry.ownSeconds
            result.postgres = processes.values.reduce(0) { $1.descends(from: server, in: processes) ? $0 + $1.seconds : $0 }
        }
        return result
    }

    static func - (end: ProcessorTime, start: ProcessorTime) -> ProcessorTime {
        func difference(_ end: Double?, _ start: Double?) -> Double? { end.flatMap { end in start.map { end - $0 } } }
        return ProcessorTime(
            client: end.client - start.client, server: difference(end.server, start.server),
            postgres: difference(end.postgres, start.postgres))
    }
}

/// A process in /proc (proc(5)).
struct ProcessEntry {
    let process, parent: pid_t
    /// Without and with that of its children that have ended.
    let ownSeconds, seconds: Double

    static func all() -> [pid_t: ProcessEntry] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        let entries = names.compactMap { pid_t($0) }.compactMap { process in
            // A process may have ended meanwhile.
            (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)).flatMap { ProcessEntry(process, stat: $0) }
        }
        return Dictionary(entries.map { ($0.process, $0) }) { first, _ in first }
    }

    /// - Parameter stat: the content of its file `stat`. The name in it, in parentheses, may contain anything.
    init?(_ process: pid_t, stat: String) {
        guard let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        // The state is field 3, the parent 4; times are fields 14 to 17: user, system, and both of the children that have ended.
        guard fields.count > 14, let parent = pid_t(fields[1]) else { return nil }
        let ticks = fields[11...14].compactMap { Double($0) }
        guard ticks.count == 4 else { return nil }
        let second = Double(sysconf(CInt(_SC_CLK_TCK)))
        (self.process, self.parent) = (process, parent)
        ownSeconds = (ticks[0] + ticks[1]) / second
        seconds = ticks.reduce(0, +) / second
    }

    func descends(from ancestor: pid_t, in processes: [pid_t: ProcessEntry]) -> Bool {
        var next = parent
        // Parents change while processes end, so that the steps are bounded.
        for _ in 0..<processes.count {
            if next == ancestor { return true }
            guard let entry = processes[next] else { return false }
            next = entry.parent
        }
        return false
    }
}
