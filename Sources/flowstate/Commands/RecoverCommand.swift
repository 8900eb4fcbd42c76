import ArgumentParser
import FlowStateClient

/// `flowstate recover`
struct RecoverCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover",
        abstract: "Recover a flow whose state is broken.",
        discussion: """
            Repairs the latest state, or goes back to a checkpoint or an earlier version that is valid, or begins anew, as \
            the flow's definition says. The broken version is quarantined (`flowstate quarantine`). A flow that is not broken \
            is left alone. --dry-run shows what would change.

              flowstate recover order-17 --dry-run
              flowstate recover order-17 --strategy checkpoint --checkpoint paid --reason "bad import"
            """)

    enum Strategy: String, ExpressibleByArgument, CaseIterable {
        case repair, checkpoint, version, reset

        var wire: RecoveryStrategy {
            switch self {
            case .repair: .repair
            case .checkpoint: .rollbackCheckpoint
            case .version: .rollbackVersion
            case .reset: .reset
            }
        }

        /// `none` when nothing was wrong.
        static func name(_ strategy: RecoveryStrategy) -> String {
            strategy == .unspecified ? "none" : allCases.first { $0.wire == strategy }?.rawValue ?? strategy.name
        }
    }

    @Argument(help: "The flow's id.")
    var id: String

    @Option(parsing: .unconditional, help: "Only this strategy. (default: those of the definition, in order)")
    var strategy: Strategy?

    @Option(parsing: .unconditional, help: ArgumentHelp("For --strategy checkpoint: this one, by its name or id.", valueName: "checkpoint"))
    var checkpoint = ""

    @Option(parsing: .unconditional, help: "Why, for the audit trail.")
    var reason = ""

    @Flag(help: "Show what would be done, and change nothing.")
    var dryRun = false

    @Option(parsing: .unconditional, help: ArgumentHelp("Makes a retry safe: the same key never applies twice.", valueName: "key"))
    var idempotencyKey = ""

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        let response = try await client.recoverFlow(
            RecoverFlowRequest(
                flowID: id, strategy: strategy?.wire ?? .unspecified, checkpoint: checkpoint, dryRun: dryRun, reason: reason,
                idempotencyKey: idempotencyKey))
        let recovery = response.recovery ?? Recovery()
        if console.format == .table, dryRun, !recovery.diff.isEmpty {
            try console.write(PatchView.lines(recovery.diff, inColours: console.isTerminal))
        }
        // By the names that the option takes.
        let table = Record(recovery).fields.map { ($0.name, $0.name == "strategy" ? .string(Strategy.name(recovery.strategy)) : $0.value) }
        try console.show(Record(response), table: Record(table + [("replayed", .bool(response.replayed))]))
    }
}
