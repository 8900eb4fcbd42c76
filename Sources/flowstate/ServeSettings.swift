import ArgumentParser
import Foundation

/// `name=value` on the command line.
struct Assignment: ExpressibleByArgument {
    let name: String
    let value: String

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty else { return nil }
        name = String(parts[0])
        value = String(parts[1])
    }
}

/// The environment's part of the configuration: `FLOWSTATE_…`; an empty value counts as unset.
struct ServeEnvironment {
    func text(_ name: String) -> String? { value("FLOWSTATE_" + name) }

    /// `FLOW_STATE_…`.
    func text(older name: String) -> String? { value("FLOW_STATE_" + name) }

    private func value(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
}

extension ServeCommand {
    /// For root a directory of the system, which PostgreSQL's own user can reach; otherwise one of the user's.
    static var defaultDataDirectory: String {
        if geteuid() == 0 { return "/var/lib/flowstate" }
        let environment = ProcessInfo.processInfo.environment
        if let state = environment["XDG_STATE_HOME"], !state.isEmpty { return state + "/flowstate" }
        return (environment["HOME"] ?? ".") + "/.local/state/flowstate"
    }
}

/// Standard output is buffered when it is a pipe; a reader that waits for a line there must get it.
func flushOutput() { fflush(nil) }
