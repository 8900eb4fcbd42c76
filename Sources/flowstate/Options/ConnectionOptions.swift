import ArgumentParser
import FlowStateClient
import GRPC
import Glibc

/// Where the server is, on whose behalf to call it, and how to print: options of every client command.
struct ConnectionOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The server: host:port, http://host:port or unix:/path. (default: $FLOWSTATE_ENDPOINT, or \(defaultEndpoint))"))
    var endpoint: String?

    @Option(parsing: .unconditional, help: "The tenant whose flows to use. (default: $FLOWSTATE_TENANT, or the server's default tenant)")
    var tenant: String?

    @Option(parsing: .unconditional, help: "Who acts, for the audit trail. (default: $FLOWSTATE_ACTOR, or the name of the user)")
    var actor: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("How long to wait for each answer.", valueName: "seconds"))
    var timeout: Double = 30

    @Option(parsing: .unconditional, help: "How to print. (default: table on a terminal, else json)")
    var output: OutputFormat?

    mutating func validate() throws {
        guard timeout > 0, timeout <= 86_400 else {
            throw ValidationError("--timeout must be more than 0 and at most 86400 seconds.")
        }
        _ = try resolvedEndpoint()
        for (name, value) in [("tenant", resolvedTenant), ("actor", resolvedActor)] {
            if value?.unicodeScalars.contains(where: TerminalText.isUnsafe) == true {
                throw ValidationError("--\(name) must not contain control characters.")
            }
        }
    }

    /// A client of the server that the options name; it connects at the first call.
    /// - Throws: `ValidationError` when the endpoint is not valid.
    func client(retries: RetryPolicy) throws -> StateClient {
        let nanoseconds = Int64(timeout * 1e9)
        var configuration = ClientConfiguration()
        configuration.messageBytes = StateInput.largestBytes + (1 << 20)
        configuration.connectTimeout = .nanoseconds(min(nanoseconds, 5_000_000_000))
        return StateClient(
            endpoint: try resolvedEndpoint(), tenant: resolvedTenant, actor: resolvedActor,
            timeout: .nanoseconds(nanoseconds), retries: retries, configuration: configuration)
    }

    /// This machine, on the port that servers listen on by default.
    private static let defaultEndpoint = Endpoint("localhost").map { "\($0)" } ?? "localhost"

    func resolvedEndpoint() throws -> Endpoint {
        let text = endpoint ?? Self.environment("FLOWSTATE_ENDPOINT") ?? Self.defaultEndpoint
        guard let endpoint = Endpoint(text) else {
            throw ValidationError("'\(text)' is not an endpoint; write host:port, http://host:port or unix:/path.")
        }
        return endpoint
    }

    var resolvedTenant: String? { tenant ?? Self.environment("FLOWSTATE_TENANT") }

    private var resolvedActor: String? { actor ?? Self.environment("FLOWSTATE_ACTOR") ?? Self.userName }

    /// An empty variable counts as one that is not set.
    private static func environment(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }

    /// Nil where the user has no entry, as in a container that runs under an arbitrary user id.
    private static var userName: String? {
        // The record stays valid until the next call; this program makes no other one.
        guard let entry = getpwuid(geteuid()), let name = entry.pointee.pw_name else { return nil }
        return String(cString: name)
    }
}
