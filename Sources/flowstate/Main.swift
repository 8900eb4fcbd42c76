import ArgumentParser
import FlowServer

/// The program: it only picks the subcommand.
@main
struct RootCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flowstate",
        abstract: "Keep the state of flows and agents: every version, no lost updates.",
        discussion: """
            `flowstate serve` runs the server; all other commands are clients of one. `flowstate --version` prints \
            the version.

              flowstate serve &
              echo '{"step": 1}' | flowstate flow save order-17 --expected-version 0
              flowstate flow load order-17

            Output is a table on a terminal and JSON when it goes anywhere else (--output picks one). Exit codes:

              0   done
              1   failed for another reason (health: not serving)
              2   conflict: the flow is at another version, or exists already
              3   not found: no such flow, version or checkpoint
              4   invalid input: the server refused the request or the state; too large
              5   unavailable: no answer from the server or its database; a retry may help
              64  wrong usage of the command line
              141 the reader of the output has gone away (SIGPIPE), as in `… | head`

            What follows an option is its value, whatever it begins with: --status -5; only -- itself needs --status=--. \
            An argument that is not an option and begins with a dash follows --, as in `flowstate flow load -- -5`.
            """,
        subcommands: [
            ServeCommand.self, FlowCommand.self, CheckpointCommand.self, LeaseCommand.self, DefinitionCommand.self, RecoverCommand.self,
            QuarantineCommand.self, NotificationCommand.self, CleanupCommand.self, StatsCommand.self,
            ArchiveCommand.self, InfoCommand.self, HealthCommand.self,
        ])

    /// `--version` is handled here and not by the parser, which would take it out of `flow load --version 3` with a missing id as well, and
    /// print the program's version with exit code 0.
    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        if arguments == ["--version"] {
            print(Version.current)
        } else {
            await main(arguments)
        }
    }
}
