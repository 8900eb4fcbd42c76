import ArgumentParser
import FlowStateClient

/// `flowstate quarantine get`
struct QuarantineGetCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Print a quarantined state, byte for byte.",
        discussion: """
              flowstate quarantine get 0197e2a0-… > broken.json
            """)

    @Argument(help: "The id that the list shows.")
    var id: String

    @Flag(help: "Print what is known about it, not the state.")
    var info = false

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        let quarantined = try await client.getQuarantined(GetQuarantinedRequest(id: id))
        let entry = quarantined.entry ?? QuarantineEntry()
        if info {
            try console.show(Record(entry))
        } else if console.isTerminal {
            try console.write(StateView.text(quarantined.state, contentType: entry.contentType))
        } else {
            try console.write(quarantined.state)
        }
    }
}
