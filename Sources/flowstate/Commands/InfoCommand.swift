import ArgumentParser
import FlowStateClient

/// `flowstate info`
struct InfoCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "Show what a server is: its release, schema, features and limits.",
        discussion: """
            flowstate info
            flowstate info --output json
            """)

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        let info = try await client.getServerInfo(GetServerInfoRequest())
        let limits = Record(info.limits.map { ($0.name, .integer($0.value)) })
        let record = Record(info)
        try console.show(record, table: Record(record.fields.map { ($0.name, $0.name == "limits" ? .record(limits) : $0.value) }))
    }
}
