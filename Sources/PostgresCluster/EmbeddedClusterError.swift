/// Why the embedded cluster could not be used. The descriptions say what to do.
package enum EmbeddedClusterError: Error, Sendable, Hashable {
    /// PostgreSQL's programs were not found.
    case binariesNotFound(searched: [String])
    /// Another server holds the data directory.
    case alreadyRunning(pid: Int?, directory: String)
    /// The data was made by another major version.
    case versionMismatch(directory: String, data: String, binaries: String)
    /// A system call on a file failed.
    case file(path: String, reason: String)
    /// Root must run PostgreSQL as another user, and there is none, or it cannot reach the directory.
    case user(String)
    /// `initdb` failed.
    case initialization(String)
    /// PostgreSQL did not start; its own error lines.
    case startup([String], log: String)
    /// A PostgreSQL left over from an earlier run does not end.
    case orphan(pids: [Int], directory: String)
    /// The start was cancelled.
    case cancelled
}

extension EmbeddedClusterError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .binariesNotFound(let searched):
            "PostgreSQL 14 or later is not installed: no postgres and initdb in \(searched.joined(separator: ", ")). "
                + "Install it (Debian, Ubuntu: apt install postgresql), name its bin directory, or use a database of your own"
        case .alreadyRunning(let pid, let directory):
            "another server\(pid.map { ", process \($0)," } ?? "") uses the data directory \(directory). Stop it, or choose another directory"
        case .versionMismatch(let directory, let data, let binaries):
            "the data in \(directory) was made by PostgreSQL \(data), but the PostgreSQL found is \(binaries). "
                + "Install PostgreSQL \(data) beside it (Debian, Ubuntu: apt install postgresql-\(data)), or convert the data with pg_upgrade"
        case .file(let path, let reason): "\(path): \(reason)"
        case .user(let message): message
        case .initialization(let message): "initdb failed: \(message)"
        case .startup(let lines, let log):
            "PostgreSQL does not start: \(lines.isEmpty ? "no error was logged" : lines.joined(separator: "; ")) (see \(log))"
        case .orphan(let pids, let directory):
            "PostgreSQL of an earlier run (processes \(pids.map(String.init).joined(separator: ", "))) on \(directory) does not end"
        case .cancelled: "the start of PostgreSQL was cancelled"
        }
    }
}
