import ArgumentParser
import FlowStateClient

/// `flowstate flow diff`
struct FlowDiffCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Show what changed between two versions of a flow.",
        discussion: """
            The operations that lead from one to the other, in colours on a terminal; with --output json, or when the output \
            goes elsewhere, the JSON Patch (RFC 6902) itself.

              flowstate flow diff order-17 3
              flowstate flow diff order-17 1 3 > patch.json
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @Argument(help: "The version to begin from.")
    var from: Int64

    @Argument(help: "The version to arrive at. (default: the latest)")
    var to: Int64?

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        let diff = try await client.diffVersions(DiffVersionsRequest(flowID: id, fromVersion: from, toVersion: to ?? 0))
        switch console.format {
        case .json: try console.write(diff.jsonPatch + [UInt8(ascii: "\n")])
        case .table: try console.write(PatchView.lines(diff.jsonPatch, inColours: console.isTerminal))
        }
    }
}
