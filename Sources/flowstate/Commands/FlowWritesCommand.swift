import ArgumentParser
import FlowStateClient

/// `flowstate flow writes`
struct FlowWritesCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "writes",
        abstract: "List the pending writes of a flow, or remove them.",
        discussion: """
            What its tasks have produced for versions, by the labels of those. By version label, path, task and index. \
            With --delete those that match are removed; that makes no version.

              flowstate flow writes thread-1 --version-label step-7
              flowstate flow writes thread-1 --channel pending_feedback --delete
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @Option(parsing: .unconditional, help: ArgumentHelp("Only those of versions with this label.", valueName: "label"))
    var versionLabel = ""

    @Option(parsing: .unconditional, help: ArgumentHelp("Only those of this channel.", valueName: "channel"))
    var channel = ""

    @Option(parsing: .unconditional, help: ArgumentHelp("Only those of this task.", valueName: "task"))
    var task = ""

    @Flag(help: "Remove them, without asking first.")
    var delete = false

    @OptionGroup(title: "Paging") var paging: PagingOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        if delete {
            let request = DeleteWritesRequest(flowID: id, versionLabel: versionLabel, channel: channel, taskID: task)
            return try console.show(Record(try await client.deleteWrites(request)))
        }
        var writer = ListWriter(
            console, name: "writes",
            columns: [
                .left("version_label"), .left("task_id"), .right("index"), .left("channel"), .left("type"), .right("value_bytes"),
                .left("actor"), .left("created_at"),
            ])
        let next = try await paging.pages { size, token in
            let page = try await client.listWrites(
                ListWritesRequest(
                    flowID: id, versionLabel: versionLabel, channel: channel, taskID: task, pageSize: size, pageToken: token))
            return (page.writes, page.nextPageToken)
        } show: {
            try writer.append($0.map(Self.record))
        }
        try writer.finish(nextPageToken: next)
    }

    private static func record(_ stored: StoredWrite) -> Record {
        let write = stored.write ?? PendingWrite()
        return Record([
            ("version_label", .string(stored.versionLabel)), ("path", .string(write.path)), ("task_id", .string(write.taskID)),
            ("index", .integer(Int64(write.index))), ("channel", .string(write.channel)), ("type", .string(write.type)),
            ("value_bytes", .integer(Int64(write.value.count))), ("value", .bytes(write.value)), ("actor", .string(stored.actor)),
            ("created_at", .time(stored.createdAt)),
        ])
    }
}
