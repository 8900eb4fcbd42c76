import ArgumentParser

/// `flowstate definition …`
struct DefinitionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "definition",
        abstract: "Say what flows of a type are like: phases, statuses, rules.",
        subcommands: [
            DefinitionPutCommand.self, DefinitionGetCommand.self, DefinitionListCommand.self, DefinitionCheckCommand.self,
            DefinitionMoveCommand.self,
        ])
}
