import ArgumentParser
import FlowStateClient

/// `flowstate notification ack`
struct NotificationAckCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "ack",
        abstract: "Acknowledge a notification: mark it as seen.",
        discussion: """
            It is no longer listed, nor delivered if it was not yet. A second acknowledgement changes nothing.

              flowstate notification ack 0197e2a0-…
            """)

    @Argument(help: "The id that the list shows.")
    var id: String

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        let response = try await client.acknowledgeNotification(AcknowledgeNotificationRequest(id: id))
        try console.show(Record(response))
    }
}
