import ArgumentParser

struct SaveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "save", abstract: "Append versions to flows picked at random.",
        discussion: "Saves have no precondition; flows that do not exist are created by their first save.")

    @OptionGroup var options: LoadOptions

    func run() async throws { try await options.run("save", loadPercent: 0) }
}

struct LoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load", abstract: "Load the latest version of flows picked at random.",
        discussion: "Flows that do not exist are created first; that is not measured.")

    @OptionGroup var options: LoadOptions

    func run() async throws { try await options.run("load", loadPercent: 100) }
}

struct MixedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mixed", abstract: "Load and save flows picked at random.",
        discussion: "Flows that do not exist are created first; that is not measured.")

    @OptionGroup var options: LoadOptions

    @Option(help: ArgumentHelp("How many calls of a hundred are loads.", valueName: "percent"))
    var loads = 80

    func validate() throws {
        guard (0...100).contains(loads) else { throw ValidationError("--loads must be from 0 to 100.") }
    }

    func run() async throws { try await options.run("mixed", loadPercent: loads) }
}

extension LoadOptions {
    /// Measures, reports, and ends the program with the code that says how it went.
    func run(_ command: String, loadPercent: Int) async throws {
        let report: Report
        do {
            report = try await interruptible {
                try await withServer(self) { server in
                    try await Benchmark(options: self, loadPercent: loadPercent, server: server).run(command)
                }
            }
            try report.write(json: json)
        } catch is Interrupted {
            throw ExitCode(130)
        } catch {
            Console.note("\(error)")
            throw ExitCode(2)
        }
        if report.exitCode != 0 { throw ExitCode(report.exitCode) }
    }
}
