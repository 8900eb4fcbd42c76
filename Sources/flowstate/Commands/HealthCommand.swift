import ArgumentParser
import FlowStateClient

/// `flowstate health`: the health check of a container.
struct HealthCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Ask whether the server serves: exit code 0 when it does, 1 when not.",
        discussion: """
            Calls grpc.health.v1.Health/Check. A server that cannot be reached, or does not answer within --timeout, \
            counts as one that does not serve.

              flowstate health --endpoint localhost:7420 --timeout 3
            """)

    @OptionGroup var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        let serving = try await client.isServing()
        try console.show(Record([("status", .string(serving ? "SERVING" : "NOT_SERVING"))]))
        if !serving { throw ExitStatus.failure.code }
    }

    /// A health check has only two outcomes.
    func exitStatus(of failure: Failure) -> ExitStatus { .failure }
}
