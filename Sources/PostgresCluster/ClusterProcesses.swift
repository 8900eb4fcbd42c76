import Glibc

/// The PostgreSQL processes of a data directory, found in /proc, including those that an earlier server left behind.
package struct ClusterProcesses: Sendable {
    /// Without symbolic links, as in `/proc/<pid>/cwd`: every process of a cluster works in its data directory.
    let dataDirectory: String

    private var lockFile: String { "\(dataDirectory)/postmaster.pid" }

    package init(dataDirectory: String) { self.dataDirectory = dataDirectory }

    package func running() -> [pid_t] {
        Files.names(in: "/proc").compactMap { pid_t($0) }.filter { pid in
            guard Files.linkTarget("/proc/\(pid)/cwd") == dataDirectory, let program = Files.linkTarget("/proc/\(pid)/exe") else {
                return false
            }
            // A program that an upgrade has replaced shows as "…/postgres (deleted)".
            return program.hasSuffix("/postgres") || program.hasSuffix("/postgres (deleted)")
        }
    }

    /// The process named in the first line of `postmaster.pid`, if it is one of this directory's.
    package func postmaster(among running: [pid_t]) -> pid_t? {
        let pid = Files.text(lockFile)?.split(whereSeparator: \.isNewline).first.flatMap { pid_t($0) }
        return pid.flatMap { running.contains($0) ? $0 : nil }
    }

    /// Whether the postmaster accepts connections: the eighth line of `postmaster.pid` says so (src/include/utils/pidfile.h).
    var isReady: Bool {
        let lines = Files.text(lockFile)?.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) ?? []
        return lines.contains { $0.hasPrefix("ready") }
    }

    /// Ends the processes that still run on the directory, cleanly if there is a postmaster (SIGINT is "fast shutdown"), and removes a lock
    /// file whose process ID may belong to another process by now. Only for the holder of the directory's lock, while its own PostgreSQL is
    /// not running.
    func clear() async throws(EmbeddedClusterError) {
        let found = running()
        if let postmaster = postmaster(among: found) {
            kill(postmaster, SIGINT)
            if await end(within: .seconds(30)) { return }
        }
        // Without a postmaster there is nothing to shut down: the next start recovers from the WAL, as after any crash.
        for signal in [SIGQUIT, SIGKILL] {
            for pid in running() { kill(pid, signal) }
            if await end(within: .seconds(5)) {
                unlink(lockFile)
                return
            }
        }
        throw .orphan(pids: running().map(Int.init), directory: dataDirectory)
    }

    private func end(within limit: Duration) async -> Bool {
        let deadline = ContinuousClock.now + limit
        while !running().isEmpty {
            if ContinuousClock.now >= deadline || Task.isCancelled { return false }
            try? await Task.sleep(for: .milliseconds(20))
        }
        return true
    }
}
