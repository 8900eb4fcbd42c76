import ArgumentParser

/// `flowstate archive …`
struct ArchiveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "archive",
        abstract: "Keep flows with all their history in one compressed file, and restore them.",
        subcommands: [ArchiveExportCommand.self, ArchiveImportCommand.self, ArchiveShowCommand.self])
}
