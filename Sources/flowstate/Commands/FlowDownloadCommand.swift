import ArgumentParser
import FlowStateClient
import SystemPackage

/// `flowstate flow download`
struct FlowDownloadCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "download",
        abstract: "Write a flow's state, of any size, to a file.",
        discussion: """
            Shows how far it is, and goes on where it was when the connection breaks or the server stops. The file appears when the state is \
            complete and its digest is right. On standard output what comes before a failure has been written; the exit code tells.

              flowstate flow download model-7 weights.bin
              flowstate flow download data - --version 3 | tar x
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @Argument(help: "The file to write; - is standard output.")
    var file: String

    @Flag(help: "Replace the file when it is there.")
    var force = false

    @OptionGroup var version: VersionOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    mutating func validate() throws {
        if file.isEmpty { throw ValidationError("The file must have a name.") }
    }

    var retries: RetryPolicy { .standard }

    func call(_ client: StateClient, _ console: Console) async throws {
        let snapshot =
            try await file == "-"
            ? download(to: .standardOutput, client, console)
            : NewFile.writing(file, replacing: force) { try await download(to: $0, client, console) }
        let record = Record(snapshot.version ?? VersionInfo())
        // Standard output has the state, so the result goes to standard error.
        if file == "-" { console.showBeside(record) } else { try console.show(record) }
    }

    private func download(to file: FileDescriptor, _ client: StateClient, _ console: Console) async throws -> Snapshot {
        var progress: TransferProgress?
        defer { progress?.end() }
        var received: Int64 = 0
        return try await client.downloadState(LoadStateRequest(flowID: id, selector: version.selector)) { snapshot in
            progress = TransferProgress(console, total: snapshot.version?.sizeBytes ?? 0)
        } take: { bytes in
            try file.write(bytes)
            received += Int64(bytes.count)
            progress?.note(received)
        }
    }
}
