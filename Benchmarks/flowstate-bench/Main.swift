import ArgumentParser

/// The load generator: it only picks the subcommand.
@main
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flowstate-bench",
        abstract: "Load a Flowstate server and report rates and latencies.",
        discussion: """
            Without --endpoint it starts a server of its own with a temporary data directory, and stops it afterwards.

              flowstate-bench mixed
              flowstate-bench load --endpoint localhost:7420 --in-flight 256 --json report.json
              flowstate-bench save --rate 5000 --duration 60
              flowstate-bench conversation --turns 500

            Without --rate the loop is closed: so many calls are always in flight, and each answer starts the next \
            call. With --rate it is open: calls have times at which they are due, whatever the server does, and latency \
            counts from there (no coordinated omission).

            Exit codes:

              0    done, and the p99 of every operation is below --p99-limit
              1    the p99 of an operation is not below --p99-limit
              2    calls failed, nothing was measured, the server cannot be reached or does not start
              64   wrong usage of the command line
              130  interrupted
            """,
        subcommands: [
            SaveCommand.self, LoadCommand.self, MixedCommand.self, HotCommand.self, ConflictCommand.self,
            CreateCommand.self, CheckpointCommand.self, ListCommand.self, VersionsCommand.self, ConversationCommand.self,
            EncodeCommand.self, ValidateCommand.self,
        ])
}
