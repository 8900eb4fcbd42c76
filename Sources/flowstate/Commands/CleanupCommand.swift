import ArgumentParser
import FlowStateClient

/// `flowstate cleanup`
struct CleanupCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "cleanup",
        abstract: "Remove what retention no longer keeps.",
        discussion: """
            Removes what the definitions of flow types no longer keep (\"retention\"), and the history of flows that were \
            deleted long enough ago. Servers do so by themselves, one of them at a time; --status shows how far they are. \
            Without --type it looks at all flows of the tenant. It repeats the call until nothing is left \
            to remove, and shows how far it has come. A flow that cannot be cleaned up is left as it is and counted (\"skipped\").

              flowstate cleanup --dry-run
              flowstate cleanup --tenant acme --type orders
              flowstate cleanup --status
            """)

    @Option(parsing: .unconditional, help: ArgumentHelp("Only flows of this type.", valueName: "flow type"))
    var type = ""

    @Flag(help: "Show what would be removed, and remove nothing.")
    var dryRun = false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Remove at most this many rows. (default: repeat until nothing is left)", valueName: "rows"))
    var maxRows: Int64?

    @Flag(help: "Show the clean-up that servers do by themselves: the one under way, else the last.")
    var status = false

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func validate() throws {
        if let maxRows, maxRows < 1 { throw ValidationError("--max-rows must be a number from 1.") }
        if status, dryRun || maxRows != nil || !type.isEmpty { throw ValidationError("--status takes no other cleanup option.") }
    }

    func call(_ client: StateClient, _ console: Console) async throws {
        if status {
            let run = try await client.getCleanupRun(GetCleanupRunRequest())
            if run.startedAt == nil, console.format == .table { return console.note("no clean-up has run yet") }
            return try console.show(Record(run))
        }
        var total = CleanupResponse()
        repeat {
            let response = try await client.cleanup(
                CleanupRequest(
                    flowType: type, dryRun: dryRun, maxRows: maxRows ?? (dryRun ? 1 << 62 : 0), cursor: total.cursor))
            let isStuck = response.more && !response.hasRemoved && response.cursor == total.cursor
            total.add(response)
            if isStuck || response.more && maxRows != nil { break }
            if response.more, response.hasRemoved {
                console.note("\(total.versions) versions \(dryRun ? "found" : "removed") so far, \(total.bytes) bytes")
            }
        } while total.more
        if total.more, maxRows == nil {
            let advice = "one call makes no progress: raise --timeout, or give --type"
            guard dryRun else { throw LocalFailure(advice, status: .unavailable) }
            console.note(advice)
        }
        try console.show(Record(total))
    }
}

extension CleanupResponse {
    fileprivate var hasRemoved: Bool {
        [versions, flows, endedFlows, checkpoints, quarantined, events].contains { $0 > 0 }
    }

    fileprivate mutating func add(_ other: CleanupResponse) {
        versions += other.versions
        flows += other.flows
        endedFlows += other.endedFlows
        checkpoints += other.checkpoints
        quarantined += other.quarantined
        events += other.events
        bytes += other.bytes
        skipped += other.skipped
        (more, cursor) = (other.more, other.cursor)
    }
}
