import ArgumentParser
import FlowStateClient

/// `flowstate flow summary`
struct FlowSummaryCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "summary",
        abstract: "Show where a flow stands: phases, errors, versions.",
        discussion: """
              flowstate flow summary order-17
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        let summary = try await client.getSummary(GetSummaryRequest(flowID: id))
        let phases = summary.phases.map { ($0.phase, OutputValue.string($0.progress.name)) }
        try console.show(
            Record([
                ("flow", .record(Record(summary.flow ?? Flow()))), ("phases", .record(Record(phases))),
                ("version_count", .integer(summary.versionCount)), ("checkpoint_count", .integer(summary.checkpointCount)),
                ("error_count", .integer(summary.errorCount)), ("recovery_count", .integer(summary.recoveryCount)),
                ("last_error", .string(summary.lastError)), ("stored_bytes", .integer(summary.storedBytes)),
            ]))
    }
}
