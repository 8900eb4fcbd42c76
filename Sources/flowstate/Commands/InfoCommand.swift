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
        try console.show(Record(try await client.getServerInfo(GetServerInfoRequest())))
    }
}
