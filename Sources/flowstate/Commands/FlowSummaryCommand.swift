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
        let phases = Record(summary.phases.map { ($0.phase, .string($0.progress.name)) })
        let record = Record(summary)
        try console.show(record, table: Record(record.fields.map { ($0.name, $0.name == "phases" ? .record(phases) : $0.value) }))
    }
}
