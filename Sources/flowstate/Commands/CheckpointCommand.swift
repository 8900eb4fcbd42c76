import ArgumentParser

/// `flowstate checkpoint …`
struct CheckpointCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "Name versions of a flow, and go back to them.",
        subcommands: [
            CheckpointCreateCommand.self, CheckpointListCommand.self, CheckpointRestoreCommand.self,
            CheckpointDeleteCommand.self,
        ])
}
