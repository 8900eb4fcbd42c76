import ArgumentParser

/// `flowstate flow …`
struct FlowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flow",
        abstract: "Create, save, load, list and delete flows.",
        subcommands: [
            FlowCreateCommand.self, FlowSaveCommand.self, FlowLoadCommand.self, FlowListCommand.self,
            FlowVersionsCommand.self, FlowDeleteCommand.self,
        ])
}
