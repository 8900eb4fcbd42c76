import FlowModel
import Postgres

/// Figures in three round trips: the sizes, the heads, and the rest, of which as much is read as those two allow. All statements use keys
/// and indexes, or read a bounded number of pages.
struct StatisticsOperation: SingleOperation {
    typealias Outcome = Result<FlowStatistics, StateError>

    private enum Stage {
        case sizes
        case heads(StatisticsRows.Sizes)
        case details(StatisticsRows.Sizes, StatisticsRows.Totals)
    }

    let command: GetStatisticsCommand
    var budget = StatisticsBudget()
    private var stage = Stage.sizes

    init(_ command: GetStatisticsCommand, budget: StatisticsBudget = StatisticsBudget()) {
        self.command = command
        self.budget = budget
    }

    var cost: Int { 512 }
    var affinity: BatchAffinity { .exclusive }

    func enqueue(into pipeline: inout Pipeline) {
        switch stage {
        case .sizes:
            var parameters = Parameters()
            parameters.append(command.tenant)
            parameters.append(budget.smallTenant)
            pipeline.execute(StatisticsSQL.sizes, parameters)
        case .heads(let sizes):
            let share = StatisticsSampling(sizes, budget).flows
            pipeline.execute(StatisticsSQL.heads(isSampled: share < 1), parameters(since: sizes.time, share: share))
        case .details(let sizes, let figures):
            let plan = Plan(sizes, figures, budget)
            let isTyped = command.flowType != nil
            pipeline.execute(
                StatisticsSQL.checkpoints(isTyped: isTyped, isSampled: plan.sampling.checkpoints < 1),
                parameters(share: plan.sampling.checkpoints))
            pipeline.execute(
                StatisticsSQL.storage(isTyped: isTyped, isSampled: plan.storageShare < 1), parameters(share: plan.storageShare))
            pipeline.execute(StatisticsSQL.ruleFailures, parameters(since: sizes.time))
            var parameters = parameters(since: sizes.time)
            parameters.append(plan.hashBound)
            parameters.append(budget.versionsOfFlow)
            if plan.sampling.flows < 1 { parameters.append(plan.sampling.flows * 100) }
            pipeline.execute(StatisticsSQL.activity(isSampled: plan.sampling.flows < 1), parameters)
        }
    }

    func decode(_ results: [ResultRows]) throws(PostgresError) -> Step<Self> {
        var next = self
        switch stage {
        case .sizes:
            next.stage = .heads(try StatisticsRow.sizes(results[0]))
            return .again(next)
        case .heads(let sizes):
            next.stage = .details(sizes, try StatisticsRow.heads(results[0]))
            return .again(next)
        case .details(let sizes, var figures):
            let plan = Plan(sizes, figures, budget)
            figures.checkpoints = try results[0].int64(0, 0)
            figures.storage = try StatisticsRow.storage(results[1])
            figures.ruleFailures = try StatisticsRow.ruleFailures(results[2])
            (figures.activities, figures.stays) = try StatisticsRow.activity(results[3])
            return .finished(
                .success(
                    FlowStatistics(
                        command, time: sizes.time, figures, plan.sampling, storageShare: plan.storageShare, hashBound: plan.hashBound)))
        }
    }

    /// How much to read in the last round trip.
    private struct Plan {
        let sampling: StatisticsSampling
        let storageShare: Double
        let hashBound: Int64

        init(_ sizes: StatisticsRows.Sizes, _ figures: StatisticsRows.Totals, _ budget: StatisticsBudget) {
            sampling = StatisticsSampling(sizes, budget)
            storageShare = sampling.storage(figures.total.versions, pages: sizes.versionPages, budget)
            hashBound = StatisticsSampling.hashBound(figures.total.activeVersions, budget)
        }
    }

    /// Tenant and type; the window's beginning, given its end; the percentage of a share below 1.
    private func parameters(since end: Timestamp? = nil, share: Double = 1) -> Parameters {
        var parameters = Parameters()
        parameters.append(command.tenant)
        parameters.append(command.flowType)
        if let end { parameters.append(timestamp: end.microseconds - command.windowSeconds * 1_000_000) }
        if share < 1 { parameters.append(share * 100) }
        return parameters
    }
}
