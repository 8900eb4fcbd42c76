import ArgumentParser
import FlowStateClient

/// `flowstate lease …`
struct LeaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lease",
        abstract: "Give one worker at a time the right to save a flow.",
        discussion: """
            A lease has a fencing token, which the worker sends with each save (flow save --lease-token): a save with one \
            that is not the current one is refused with exit code 4, LEASE_LOST.
            """,
        subcommands: [LeaseAcquireCommand.self, LeaseRenewCommand.self, LeaseReleaseCommand.self, LeaseShowCommand.self])
}

/// `flowstate lease acquire`
struct LeaseAcquireCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "acquire",
        abstract: "Take the lease of a flow; extend it if the holder has it already.",
        discussion: """
            Exit code 4 when another holder has it.

              flowstate lease acquire order-17 worker-1 --wait 10s
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @Argument(help: "The worker's name, unique among workers.")
    var holder: String

    @Option(parsing: .unconditional, help: ArgumentHelp("How long, 1s to 1h. (default: 30s)", valueName: "time"))
    var ttl: TimeSpan?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("How long to wait for another holder, such as 10s. (default: not at all)", valueName: "time"))
    var wait: TimeSpan?

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        let request = AcquireLeaseRequest(flowID: id, holder: holder, ttl: ttl?.duration, wait: wait?.duration)
        try console.show(Record(try await client.acquireLease(request).lease ?? Lease()))
    }
}

/// `flowstate lease renew`
struct LeaseRenewCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "renew",
        abstract: "Extend a lease.",
        discussion: """
            Exit code 4 when it was lost, or has run out.

              flowstate lease renew order-17 3 --ttl 60s
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @Argument(help: "The token of the lease.")
    var token: Int64

    @Option(parsing: .unconditional, help: ArgumentHelp("How long, 1s to 1h. (default: 30s)", valueName: "time"))
    var ttl: TimeSpan?

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        let request = RenewLeaseRequest(flowID: id, token: token, ttl: ttl?.duration)
        try console.show(Record(try await client.renewLease(request).lease ?? Lease()))
    }
}

/// `flowstate lease release`
struct LeaseReleaseCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "release",
        abstract: "Give a lease back.",
        discussion: """
            Exit code 4 when another holder has taken it since.

              flowstate lease release order-17 3
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @Argument(help: "The token of the lease.")
    var token: Int64

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        _ = try await client.releaseLease(ReleaseLeaseRequest(flowID: id, token: token))
        try console.show(Record([("flow_id", .string(id)), ("released", .bool(true))]))
    }
}

/// `flowstate lease show`
struct LeaseShowCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show who has the lease of a flow.",
        discussion: """
            Exit code 3 when there is no such flow; a free lease has no holder.

              flowstate lease show order-17
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        let lease = try await client.getLease(GetLeaseRequest(flowID: id)).lease
        try console.show(lease.map { Record($0) } ?? Record([("flow_id", .string(id)), ("holder", .string(""))]))
    }
}
