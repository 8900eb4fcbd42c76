import ArgumentParser
import FlowArchive
import FlowModel
import FlowStateClient
import FlowTransfer

/// `flowstate archive import`
struct ArchiveImportCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Restore flows from an archive.",
        discussion: """
            The whole archive is checked before anything is saved; what comes through a pipe is kept in $TMPDIR until then. \
            Flows get the ids, versions, states, phases, labels and named checkpoints that they had; a flow that is there \
            already is compared and, where its versions are those of the archive, continued. So an import that was \
            interrupted is run again. A flow whose versions differ, or that was deleted, is a conflict, and stays as it is. \
            Of more labels than the server takes some are left out; the flow is named and counted (without_labels).

            Times, actors and kinds of versions are the server's own; the original ones are in the member \
            flowstate_archive of a version's metadata. Versions that were missing from a flow leave no gap: those behind \
            them have lower numbers than they had. Events that made no version stay in the archive.

            A state that the definition of its type, or the server's limits, do not allow stops its flow; the import of others continues. \
            Exit codes: 2 with a conflict, unless it is skipped; 4 when a flow was refused or lacks labels, or the file \
            is not a complete archive.

              flowstate archive import flows.fsa --dry-run
              flowstate archive import flows.fsa --tenant acme-restored --on-conflict skip
              flowstate archive export - | flowstate archive import - --endpoint other:7420
            """)

    /// What to do when the server has a different flow of the same id.
    enum ConflictPolicy: String, ExpressibleByArgument, CaseIterable {
        case fail
        case skip
    }

    @Argument(help: "The archive; - is standard input.")
    var file: String

    @Flag(help: "Say what would be done, and save nothing. Does not find out what definitions refuse.")
    var dryRun = false

    @Option(parsing: .unconditional, help: "When the server has a different flow of the same id: stop, or continue with the next flow.")
    var onConflict: ConflictPolicy = .fail

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        let (tally, events) = try await ArchiveFile.opening(file) { archive in
            _ = try await archive.verify()
            return try await archive.reading { (try await restore($0, client, console), $0.totals.events) }
        }
        try console.show(tally.record(events: events, isDryRun: dryRun))
        if tally.conflicts > 0, onConflict == .fail { throw ExitStatus.conflict.code }
        if tally.refused + tally.withoutLabels > 0 { throw ExitStatus.invalidInput.code }
    }

    private func restore(_ reader: ArchiveReader, _ client: StateClient, _ console: Console) async throws -> ImportTally {
        var tally = ImportTally()
        var progress = ProgressNotes(console)
        var current: FlowImporter?
        while let item = try reader.next() {
            switch item {
            case .flow(let flow):
                try await finish(&current, &tally, console)
                if tally.conflicts > 0, onConflict == .fail { return tally }
                current = try await FlowImporter(flow, client, isDryRun: dryRun, limits: .defaults)
            case .version(let version):
                try await current?.take(version)
                progress.tell(reader.totals)
            case .write(let write): try await current?.take(write)
            case .event: break
            }
        }
        try await finish(&current, &tally, console)
        return tally
    }

    private func finish(_ flow: inout FlowImporter?, _ tally: inout ImportTally, _ console: Console) async throws {
        try await flow?.sendWrites()
        guard let finished = flow else { return }
        flow = nil
        if let line = tally.add(finished, difference: try await finished.difference()) { console.note(TerminalText.line(line)) }
    }
}
