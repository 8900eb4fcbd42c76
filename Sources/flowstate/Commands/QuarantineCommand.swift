import ArgumentParser

/// `flowstate quarantine …`
struct QuarantineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quarantine",
        abstract: "See what recovery replaced.",
        subcommands: [QuarantineListCommand.self, QuarantineGetCommand.self])
}
