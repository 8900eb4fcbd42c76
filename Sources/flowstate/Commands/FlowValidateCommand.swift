import ArgumentParser
import FlowStateClient

/// `flowstate flow validate`
struct FlowValidateCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Check a state against the rules of its definition.",
        discussion: """
            A flow's latest state, or a state that is not stored (--file or --state-text with --type). Lists broken \
            rules and warnings; exit code 4 when a rule is broken. Nothing is changed.

              flowstate flow validate order-17
              flowstate flow validate --type unified_discovery --file state.json --depth minimal
            """)

    enum Depth: String, ExpressibleByArgument, CaseIterable {
        case complete, transition, minimal

        var wire: ValidationDepth {
            switch self {
            case .complete: .complete
            case .transition: .transition
            case .minimal: .minimal
            }
        }
    }

    @Argument(help: "The flow's id.")
    var id: String?

    @Option(
        name: .customLong("type"), parsing: .unconditional,
        help: ArgumentHelp("The definition. (default: the flow's own)", valueName: "flow-type"))
    var flowType = ""

    @Option(
        name: .customLong("file"), parsing: .unconditional,
        help: ArgumentHelp("A file with a state; - is standard input.", valueName: "file"))
    var file: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("A state.", valueName: "text"))
    var stateText: String?

    @Option(parsing: .unconditional, help: "How much to check.")
    var depth: Depth = .complete

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    mutating func validate() throws {
        if [id, file, stateText].compactMap({ $0 }).count != 1 {
            throw ValidationError("Give a flow's id, --file or --state-text, and only one of them.")
        }
        if id == nil, flowType.isEmpty { throw ValidationError("A state that is not a flow's needs --type.") }
    }

    func call(_ client: StateClient, _ console: Console) async throws {
        let state = try file.map { try StateInput.read($0) } ?? stateText.map { Array($0.utf8) }
        let subject: ValidateStateRequest.Subject = state.map { .state($0) } ?? .flowID(id ?? "")
        let validated = try await client.validateState(
            ValidateStateRequest(subject: subject, flowType: flowType, depth: depth.wire))
        switch console.format {
        case .json: try console.show(Record(validated))
        case .table:
            var table = Table([.left("severity"), .left("path"), .left("rule"), .left("message")])
            let rows = [("error", validated.violations), ("warning", validated.warnings)].flatMap { severity, violations in
                violations.map { Record([("severity", .string(severity))] + Record($0).fields) }
            }
            try console.write(table.lines(rows))
        }
        if !validated.valid { throw ExitStatus.invalidInput.code }
    }
}
