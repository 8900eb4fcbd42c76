import ArgumentParser
import FlowStateClient

/// `flowstate flow history`
struct FlowHistoryCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "List everything that happened to a flow, newest first.",
        discussion: """
            Its versions, and events that made no version, such as checkpoints. --kind selects some of them.

              flowstate flow history order-17
              flowstate flow history order-17 --kind error_reported --kind transitioned --all
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @Option(
        name: .customLong("kind"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Only this kind; repeat it for more.", valueName: "kind"))
    var kinds: [String] = []

    @OptionGroup(title: "Paging") var paging: PagingOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        var writer = ListWriter(
            console, name: "entries",
            columns: [.left("time"), .left("kind"), .right("version"), .left("actor"), .left("phase"), .left("status"), .left("details")])
        let next = try await paging.pages { size, token in
            let page = try await client.getHistory(GetHistoryRequest(flowID: id, pageSize: size, pageToken: token, kinds: kinds))
            return (page.entries, page.nextPageToken)
        } show: {
            try writer.append($0.map { Record($0) }, rows: $0.map(row))
        }
        try writer.finish(nextPageToken: next)
    }

    /// What versions and events have in common, in one table.
    private func row(_ entry: HistoryEntry) -> Record {
        let (version, event) =
            switch entry.entry {
            case .version(let version)?: (Record(version), Record([]))
            case .event(let event)?: (Record([]), Record(event))
            case nil: (Record([]), Record([]))
            }
        let isVersion = !version.fields.isEmpty
        return Record([
            ("time", .time(entry.time)), ("kind", isVersion ? version["event"] : event["kind"]), ("version", version["version"]),
            ("actor", .string(entry.actor)), ("phase", version["phase"]), ("status", version["status"]),
            ("details", isVersion ? version["metadata"] : event["details"]),
        ])
    }
}
