import ArgumentParser
import FlowStateClient
import SystemPackage

/// `flowstate flow upload`
struct FlowUploadCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "upload",
        abstract: "Save a state that may be larger than a message, up to 256 MiB.",
        discussion: """
            Sends the file in pieces and shows how far it is. When the connection breaks or the server stops, it goes on where the server has \
            it. With --upload-id another run of the command does so too, for 24 hours after the last byte; use a new id for another file.

            Such a state is read with "flow download"; "flow load", patches, diffs and rules need states that fit a message (15 MiB).

              flowstate flow upload model-7 weights.bin --content-type application/octet-stream
              flowstate flow upload model-7 weights.bin --upload-id weights-3 --expected-version 12
              tar c data | flowstate flow upload data - --content-type application/x-tar
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @Argument(help: "The file with the state; - is standard input, which is first copied to a temporary file.")
    var file: String

    @Option(parsing: .unconditional, help: ArgumentHelp("The state's media type. (default: application/json)", valueName: "type"))
    var contentType: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("Names the upload, so that another run can go on with it.", valueName: "id"))
    var uploadID: String?

    @OptionGroup var options: SaveOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    var retries: RetryPolicy { .standard }

    func call(_ client: StateClient, _ console: Console) async throws {
        let request = options.request(id, contentType: contentType)
        let saved = try await StateFile.opening(file) { file in
            let progress = TransferProgress(console, total: file.size)
            defer { progress.end() }
            return try await client.uploadState(request, from: file.source, uploadID: uploadID) { progress.note($0) }
        }
        try console.show(Record(saved))
    }
}
