import ArgumentParser
import FlowModel
import JSON

/// `flowstate definition check`
struct DefinitionCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Say what is wrong with a definition, without a server.",
        discussion: """
            Prints nothing and exits with 0 for a document that `definition put` would take; else every fault with its \
            place, and exit code 4.

              flowstate definition check order.json
            """)

    @Argument(help: "The file with the document, JSON or YAML (.yaml, .yml); - is standard input, JSON.")
    var file: String

    @Option(parsing: .unconditional, help: "How to report: table or json. (default: table on a terminal, else json)")
    var output: OutputFormat?

    func run() async throws {
        let console = Console(requested: output)
        do {
            let limits = Limits.defaults
            _ = try DefinitionReader.read(try DefinitionInput.read(file), limits: limits, budget: WorkBudget(steps: limits.work))
        } catch StateError.definitionInvalid(let faults, let omitted) {
            for fault in faults { console.report(Failure("\(file): \(fault)", status: .invalidInput), .invalidInput) }
            if omitted > 0 { console.report(Failure("\(file): and \(omitted) more faults", status: .invalidInput), .invalidInput) }
            throw ExitStatus.invalidInput.code
        } catch {
            let failure = Failure(error)
            console.report(failure, failure.status)
            throw failure.status.code
        }
    }
}
