import ArgumentParser

/// A subcommand that measures.
protocol MeasuringCommand: AsyncParsableCommand {
    var options: LoadOptions { get }
    var scenario: Scenario { get }
    /// Whether the flows are assumed to exist.
    var skipsPreparation: Bool { get }
}

extension MeasuringCommand {
    var skipsPreparation: Bool { false }

    /// Measures, reports, and ends the program with the exit code of the result.
    func run() async throws {
        let command = Self.configuration.commandName ?? ""
        let (options, scenario, skipsPreparation) = (options, scenario, skipsPreparation)
        let report: Report
        do {
            report = try await interruptible {
                try await withServer(options) { server in
                    let benchmark = Benchmark(command: command, options: options, scenario: scenario, server: server)
                    return try await benchmark.run(skippingPreparation: skipsPreparation)
                }
            }
            try Console.write(report, table: report.table, json: options.json)
        } catch is Interrupted {
            throw ExitCode(130)
        } catch {
            Console.note("\(error)")
            throw ExitCode(2)
        }
        if report.exitCode != 0 { throw ExitCode(report.exitCode) }
    }
}

struct SaveCommand: MeasuringCommand {
    static let configuration = CommandConfiguration(
        commandName: "save", abstract: "Append versions to flows picked at random.",
        discussion: "Saves have no precondition; flows that do not exist are created by their first save.")

    @OptionGroup var options: LoadOptions
    @OptionGroup var preparation: PreparationOptions
    var scenario: Scenario { .random(loadPercent: 0) }
    var skipsPreparation: Bool { preparation.skipPreparation }
}

struct LoadCommand: MeasuringCommand {
    static let configuration = CommandConfiguration(
        commandName: "load", abstract: "Load the latest version of flows picked at random.",
        discussion: "Flows that do not exist are created first; that is not measured.")

    @OptionGroup var options: LoadOptions
    @OptionGroup var preparation: PreparationOptions
    var scenario: Scenario { .random(loadPercent: 100) }
    var skipsPreparation: Bool { preparation.skipPreparation }
}

struct MixedCommand: MeasuringCommand {
    static let configuration = CommandConfiguration(
        commandName: "mixed", abstract: "Load and save flows picked at random.",
        discussion: "Flows that do not exist are created first; that is not measured.")

    @OptionGroup var options: LoadOptions
    @OptionGroup var preparation: PreparationOptions

    @Option(help: ArgumentHelp("How many calls of a hundred are loads.", valueName: "percent"))
    var loads = 80

    var scenario: Scenario { .random(loadPercent: loads) }
    var skipsPreparation: Bool { preparation.skipPreparation }

    func validate() throws {
        guard (0...100).contains(loads) else { throw ValidationError("--loads must be from 0 to 100.") }
    }
}

struct HotCommand: MeasuringCommand {
    static let configuration = CommandConfiguration(
        commandName: "hot", abstract: "Append versions to one flow.",
        discussion: "All calls save the same flow, without a precondition. --flows does not matter.")

    @OptionGroup var options: LoadOptions
    var scenario: Scenario { .hot }
}

struct ConflictCommand: MeasuringCommand {
    static let configuration = CommandConfiguration(
        commandName: "conflict", abstract: "Save a few flows with preconditions, so that most calls lose.",
        discussion: """
            Every save expects the version that its connection saw last, in an answer or in a VERSION_CONFLICT. Saves \
            that won are the operation "save", those that lost are "conflict"; a conflict is not an error. --flows is 4 \
            when it is not given.
            """)

    @OptionGroup var options: LoadOptions
    var scenario: Scenario { .conflict }

    func validate() throws {
        // Each connection remembers a version of each flow.
        guard options.flows ?? 1 <= 100_000 else { throw ValidationError("--flows of conflict must be at most 100000.") }
    }
}

struct CreateCommand: MeasuringCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Create flows, whose ids the server makes.",
        discussion: "--flows does not matter: every call makes one more.")

    @OptionGroup var options: LoadOptions
    var scenario: Scenario { .create }
}

struct CheckpointCommand: MeasuringCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint", abstract: "Make checkpoints of flows picked at random.",
        discussion: "Names are new ones. Flows that do not exist are created first; that is not measured.")

    @OptionGroup var options: LoadOptions
    var scenario: Scenario { .checkpoint }
}
