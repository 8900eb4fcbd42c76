import ArgumentParser

/// `flowstate notification …`
struct NotificationCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "notification",
        abstract: "See what people should know about flows.",
        subcommands: [NotificationListCommand.self, NotificationAckCommand.self])
}
