import ArgumentParser
import FlowArchive
import FlowStateClient

/// `flowstate archive show`
struct ArchiveShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Check an archive and list what is in it, without a server.",
        discussion: """
            Lists nothing for a file that is not an archive, is truncated or damaged (exit code 4). JSON output is one \
            document: {"flows": […], "archive": {…}}.

              flowstate archive show flows.fsa
            """)

    @Argument(help: "The archive; - is standard input.")
    var file: String

    @Option(parsing: .unconditional, help: "How to print. (default: table on a terminal, else json)")
    var output: OutputFormat?

    func run() async throws {
        let console = Console(requested: output)
        do {
            try await ArchiveFile.opening(file) { archive in
                let (header, totals) = try await archive.verify()
                var writer = ListWriter(
                    console, name: "flows",
                    columns: [
                        .left("flow_id"), .left("flow_type"), .right("versions"), .right("checkpoints"), .right("writes"),
                        .right("events"), .right("state_bytes"), .left("phase"), .left("status"), .left("updated_at"),
                    ])
                try await archive.reading { try list($0, &writer) }
                try writer.finish("archive", record(header, totals))
            }
        } catch {
            Failure.endIfPipeIsClosed(error)
            let failure = Failure(error)
            console.report(failure, failure.status)
            throw failure.status.code
        }
    }

    /// A flow ends where the next one begins.
    private func list(_ reader: ArchiveReader, _ writer: inout ListWriter) throws {
        var current: Flow?
        var before = ArchiveTotals()
        var page: [Record] = []
        func end() { if let current { page.append(record(current, before, reader.totals)) } }
        while let item = try reader.next() {
            guard case .flow(let flow) = item else { continue }
            // The totals already count the new flow, but nothing of it yet.
            end()
            (current, before) = (flow, reader.totals)
            if page.count == 100 {
                try writer.append(page)
                page = []
            }
        }
        end()
        try writer.append(page)
    }

    private func record(_ flow: Flow, _ before: ArchiveTotals, _ now: ArchiveTotals) -> Record {
        Record([
            ("flow_id", .string(flow.flowID)), ("flow_type", .string(flow.flowType)), ("version", .integer(flow.version)),
            ("versions", .integer(now.versions - before.versions)), ("checkpoints", .integer(now.checkpoints - before.checkpoints)),
            ("writes", .integer(now.writes - before.writes)), ("events", .integer(now.events - before.events)),
            ("state_bytes", .integer(now.stateBytes - before.stateBytes)),
            ("phase", .string(flow.phase)), ("status", .string(flow.status)), ("labels", .map(flow.labels)),
            ("created_at", .time(flow.createdAt)), ("updated_at", .time(flow.updatedAt)),
        ])
    }

    private func record(_ header: ArchiveHeader, _ totals: ArchiveTotals) -> Record {
        Record(
            [
                ("format_version", .integer(Int64(header.formatVersion))), ("program", .string(header.program)),
                ("endpoint", .string(header.endpoint)), ("tenant", .string(header.tenant)), ("created_at", .time(header.createdAt)),
            ] + totals.fields)
    }
}
