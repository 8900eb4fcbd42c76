import ArgumentParser

/// `flowstate flow …`
struct FlowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flow",
        abstract: "Create, save, load and list flows, and lead them through their phases.",
        subcommands: [
            FlowCreateCommand.self, FlowSaveCommand.self, FlowLoadCommand.self, FlowUploadCommand.self, FlowDownloadCommand.self,
            FlowListCommand.self,
            FlowVersionsCommand.self, FlowPatchCommand.self, FlowDiffCommand.self, FlowTransitionCommand.self,
            FlowCompleteCommand.self, FlowFailCommand.self, FlowStatusCommand.self, FlowSummaryCommand.self,
            FlowHistoryCommand.self, FlowValidateCommand.self, FlowForkCommand.self, FlowWritesCommand.self,
            FlowWatchCommand.self, FlowDeleteCommand.self,
        ])
}
