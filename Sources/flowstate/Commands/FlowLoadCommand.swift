import ArgumentParser
import FlowStateClient

/// `flowstate flow load`
struct FlowLoadCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Print a flow's state, the latest or an earlier one.",
        discussion: """
            Prints the state, not a description of it: byte for byte when the output goes to a file or a pipe (or with \
            --raw); on a terminal JSON is indented and control characters are shown as escapes. --info prints what is \
            known about the flow and the version instead; --output is for that and for errors.

              flowstate flow load order-17 > state.json
              flowstate flow load order-17 --checkpoint before-payment
              flowstate flow load order-17 --time 2026-03-01T09:30:00Z --info --output json
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @OptionGroup var version: VersionOptions

    @Flag(help: "Print the flow's head and the version, not the state.")
    var info = false

    @Flag(help: "Print the state's bytes as they are on a terminal too.")
    var raw = false

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    mutating func validate() throws {
        if info, raw { throw ValidationError("Give --info or --raw, not both.") }
    }

    func call(_ client: StateClient, _ console: Console) async throws {
        let response = try await client.loadState(LoadStateRequest(flowID: id, selector: version.selector))
        guard let snapshot = response.snapshot else {
            throw LocalFailure("the server's answer has no snapshot", status: .failure)
        }
        if info {
            try console.show(
                Record([
                    ("flow", .record(Record(snapshot.flow ?? Flow()))),
                    ("version", .record(Record(snapshot.version ?? VersionInfo()))),
                ]))
        } else if raw || !console.isTerminal {
            try console.write(snapshot.state)
        } else {
            try console.write(StateView.text(snapshot.state, contentType: snapshot.version?.contentType ?? ""))
        }
    }
}
