import FlowStateClient
import FlowTransfer
import Glibc
import SystemPackage

/// A failure before or after the call: a file that cannot be read, a terminal that cannot show the output.
struct LocalFailure: Error {
    let message: String
    let status: ExitStatus

    init(_ message: String, status: ExitStatus) {
        self.message = message
        self.status = status
    }
}

/// A failure as it is shown to people and scripts.
struct Failure {
    var message: String
    /// The exit code for it.
    var status: ExitStatus
    /// gRPC's name of the status, such as `NOT_FOUND`; nil when no call was made.
    var code: String?
    /// Flowstate's name of the error, such as `FLOW_NOT_FOUND`; nil when the server gave none.
    var reason: String?
    /// For a conflict: the expected version and the actual one.
    var versions: (expected: Int64, actual: Int64)?
    /// When the server says that a retry may help: how long to wait.
    var retryAfter: Duration?

    init(_ message: String, status: ExitStatus) {
        self.message = message
        self.status = status
    }

    init(_ error: any Error) {
        switch error {
        case let error as ClientError:
            self.init(error.message, status: ExitStatus(error.code, reason: error.reason))
            code = error.code.name
            reason = error.reason
            versions = error.conflict.map { ($0.expected, $0.actual) }
            retryAfter = error.retryDelay
        case let error as LocalFailure: self.init(error.message, status: error.status)
        case let error as TransferError:
            let isMissing = if case .flowNotFound = error { true } else { false }
            self.init("\(error)", status: isMissing ? .notFound : .failure)
        // Errors of reading are `LocalFailure` already.
        case let error as Errno: self.init("cannot write the output: \(error)", status: .failure)
        default: self.init("\(error)", status: .failure)
        }
    }

    /// Ends the program when the reader of the output has gone away (`… | head`): by SIGPIPE and without a message, as the system would,
    /// which shells show as 141. The signal is ignored until then, for the sake of the connections.
    static func endIfPipeIsClosed(_ error: any Error) {
        guard (error as? Errno) == .brokenPipe else { return }
        signal(SIGPIPE, SIG_DFL)
        raise(SIGPIPE)
    }

    /// One line for people.
    var text: String {
        let name = reason ?? code
        return "flowstate: " + TerminalText.line(message) + (name.map { " [\(TerminalText.line($0))]" } ?? "")
    }

    /// One object for scripts. `code` and `reason` are null where there is none; fields that only some errors have are left out.
    var record: Record {
        var fields: [Record.Field] = [
            ("message", .string(message)), ("code", code.map { .string($0) } ?? .null),
            ("reason", reason.map { .string($0) } ?? .null), ("exit_code", .integer(Int64(status.rawValue))),
        ]
        if let versions {
            fields += [("expected_version", .integer(versions.expected)), ("actual_version", .integer(versions.actual))]
        }
        if let retryAfter { fields.append(("retry_after_seconds", .number(retryAfter / .seconds(1)))) }
        return Record(fields)
    }
}
