import ArgumentParser
import FlowStateClient

/// `flowstate stats`
struct StatsCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Show figures about flows: how many, how fast, how long in which phase, what failed.",
        discussion: """
            Activity is counted for the last day, or for the time that --since says. Figures may be a minute old, and where \
            there is very much to count they are extrapolated from a part of it, which the last line then says.

              flowstate stats
              flowstate stats --type order --since 7d --output json
            """)

    @Option(name: .customLong("type"), parsing: .unconditional, help: ArgumentHelp("Only flows of this type.", valueName: "flow-type"))
    var flowType = ""

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("How far back to look: 90s, 15m, 24h, 7d; a minute to 31 days. (default: 24h)", valueName: "time"))
    var since: TimeSpan?

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        let statistics = try await client.getStatistics(GetStatisticsRequest(flowType: flowType, window: since?.duration))
        switch console.format {
        case .json: try console.show(Record(statistics))
        case .table: try console.write(StatisticsView(statistics).text)
        }
    }
}
