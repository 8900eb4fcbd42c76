import ArgumentParser

/// `flowstate quarantine …`
struct QuarantineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quarantine",
        abstract: "See what recovery replaced, and bring it back.",
        subcommands: [QuarantineListCommand.self, QuarantineGetCommand.self, QuarantineRestoreCommand.self])
}
