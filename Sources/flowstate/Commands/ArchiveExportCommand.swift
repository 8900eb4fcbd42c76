import ArgumentParser
import FlowArchive
import FlowServer
import FlowStateClient
import FlowTransfer
import Glibc
import SystemPackage

/// `flowstate archive export`
struct ArchiveExportCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write flows with all their history into one file.",
        discussion: """
            Without --flow and filters every flow of the tenant. Each is written with its versions, states, checkpoints and \
            events, up to the version that it had when its turn began; deleted flows are left out. Versions that retention \
            has removed are missing. The file appears when it is complete, and only its owner can read it. On standard output \
            an archive that is not complete has no end, which every reader sees; the result goes to standard error then. \
            Exit code 1 although the file was written: the server had lost some states, which are left out.

            The file is a zstd frame of length-prefixed protobuf messages; proto/flowstate/v1/archive.proto describes it.

              flowstate archive export --out flows.fsa
              flowstate archive export - | ssh backup 'cat > flows.fsa'
              flowstate archive export --flow order-17 --flow order-18 --out orders.fsa
              flowstate archive export --type order --status closed --label customer=acme --out acme.fsa --force
            """)

    @Option(
        name: .customLong("flow"), parsing: .unconditionalSingleValue, help: ArgumentHelp("This flow; repeat it for more.", valueName: "id")
    )
    var flows: [String] = []

    @Argument(help: "The file to write; - is standard output.")
    var file: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("The same.", valueName: "file"))
    var out: String?

    @Flag(help: "Replace the file when it is there.")
    var force = false

    @OptionGroup(title: "Filters") var filters: FlowFilterOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    mutating func validate() throws {
        if (file == nil) == (out == nil) { throw ValidationError("Name the file once: as an argument, or with --out.") }
        if path.isEmpty { throw ValidationError("The file must have a name.") }
        if !flows.isEmpty, filters.filter != FlowFilter() { throw ValidationError("Give --flow or filters, not both.") }
        if Set(flows.map { Array($0.utf8) }).count < flows.count { throw ValidationError("A flow is named twice.") }
    }

    func call(_ client: StateClient, _ console: Console) async throws {
        let (result, unreadable) =
            try await toStandardOutput
            ? export(.standardOutput, client, console) : NewFile.writing(path, replacing: force) { try await export($0, client, console) }
        // Standard output has the archive, so the result goes to standard error.
        if toStandardOutput { console.showBeside(result) } else { try console.show(result) }
        if unreadable > 0 { throw ExitStatus.failure.code }
    }

    private var path: String { file ?? out ?? "" }
    private var toStandardOutput: Bool { path == "-" }

    private func export(_ file: FileDescriptor, _ client: StateClient, _ console: Console) async throws -> (Record, unreadable: Int64) {
        if file.isTerminal { throw LocalFailure("an archive cannot be shown: standard output is a terminal", status: .invalidInput) }
        let writer = try ArchiveWriter(header) { try file.write($0) }
        var progress = ProgressNotes(console)
        let observer = FlowExporter.Observer(wrote: { progress.tell($0) }) { version, flowID, error in
            console.note("version \(version) of flow \(TerminalText.line(flowID)) is left out: \(TerminalText.line(error.message))")
        }
        var exporter = FlowExporter(client, writer, observer)
        if flows.isEmpty { try await exporter.export(filters.filter) }
        for id in flows { try await exporter.export(id: id) }
        try writer.finish()
        return (record(writer, exporter), exporter.unreadableVersions)
    }

    private var header: ArchiveHeader {
        get throws {
            var now = timespec()
            clock_gettime(CLOCK_REALTIME, &now)
            return ArchiveHeader(
                program: "flowstate " + Version.current, endpoint: "\(try connection.resolvedEndpoint())",
                tenant: connection.resolvedTenant ?? "",
                createdAt: Timestamp(seconds: Int64(now.tv_sec), nanos: Int32(now.tv_nsec)))
        }
    }

    private func record(_ writer: ArchiveWriter, _ exporter: FlowExporter) -> Record {
        Record(
            [("file", .string(path)), ("file_bytes", .integer(writer.fileBytes))] + writer.totals.fields + [
                ("deleted_flows", .integer(exporter.deletedFlows)), ("unreadable_versions", .integer(exporter.unreadableVersions)),
            ])
    }
}

extension ArchiveTotals {
    var fields: [Record.Field] {
        [
            ("flows", .integer(flows)), ("versions", .integer(versions)), ("checkpoints", .integer(checkpoints)),
            ("writes", .integer(writes)), ("events", .integer(events)), ("state_bytes", .integer(stateBytes)),
        ]
    }
}
