import FlowModel
import Postgres

/// Decodes the rows of `StatisticsSQL`.
enum StatisticsRow {
    static func sizes(_ rows: ResultRows) throws(PostgresError) -> StatisticsRows.Sizes {
        StatisticsRows.Sizes(
            time: Timestamp(microseconds: try rows.timestamp(0, 0)), flows: try rows.int64(0, 1), checkpoints: try rows.int64(0, 2),
            versionPages: try rows.int64(0, 3), tenantFlows: try rows.int64(0, 4), tenantCheckpoints: try rows.int64(0, 5))
    }

    static func heads(_ rows: ResultRows) throws(PostgresError) -> StatisticsRows.Totals {
        var figures = StatisticsRows.Totals()
        for row in 0..<rows.count {
            var heads = StatisticsRows.Heads()
            heads.flows = try rows.int64(row, 3)
            heads.deletedFlows = try rows.int64(row, 4)
            heads.createdFlows = try rows.int64(row, 5)
            heads.versions = try rows.int64(row, 6)
            heads.activeVersions = try rows.int64(row, 7)
            heads.arePruned = try rows.bool(row, 8)
            guard let flowType = try rows.textIfPresent(row, 0) else {
                figures.total = heads
                continue
            }
            heads.flowType = flowType
            heads.phase = try rows.text(row, 1)
            heads.status = try rows.text(row, 2)
            figures.heads.append(heads)
        }
        return figures
    }

    static func storage(_ rows: ResultRows) throws(PostgresError) -> StatisticsRows.Storage {
        StatisticsRows.Storage(versions: try rows.int64(0, 0), stateBytes: try rows.int64(0, 1), storedBytes: try rows.int64(0, 2))
    }

    static func ruleFailures(_ rows: ResultRows) throws(PostgresError) -> [FlowStatistics.RuleFailures] {
        var failures: [FlowStatistics.RuleFailures] = []
        for row in 0..<rows.count {
            failures.append(
                FlowStatistics.RuleFailures(
                    flowType: try rows.text(row, 0), rule: try rows.text(row, 1), refused: try rows.int64(row, 2),
                    warned: try rows.int64(row, 3)))
        }
        return failures
    }

    static func activity(_ rows: ResultRows) throws(PostgresError) -> ([StatisticsRows.Activity], [StatisticsRows.Stays]) {
        var activities: [StatisticsRows.Activity] = []
        var stays: [StatisticsRows.Stays] = []
        for row in 0..<rows.count {
            let (flowType, phase) = (try rows.text(row, 0), try rows.textIfPresent(row, 1))
            guard let entries = try rows.int64IfPresent(row, 2), let phase else {
                activities.append(StatisticsRows.Activity(flowType: flowType, phase: phase, counts: try counts(rows, row)))
                continue
            }
            stays.append(
                StatisticsRows.Stays(
                    flowType: flowType, phase: phase, entries: entries, exits: try rows.int64(row, 3), time: try time(rows, row)))
        }
        return (activities, stays)
    }

    private static func counts(_ rows: ResultRows, _ row: Int) throws(PostgresError) -> FlowStatistics.Activity {
        var activity = FlowStatistics.Activity()
        activity.activeFlows = try rows.int64(row, 7)
        activity.versions = try rows.int64(row, 8)
        activity.stateBytes = try rows.int64(row, 9)
        activity.storedBytes = try rows.int64(row, 10)
        activity.phasesCompleted = try rows.int64(row, 11)
        activity.errorsReported = try rows.int64(row, 12)
        activity.recoveries = try rows.int64(row, 13)
        activity.failedFlows = try rows.int64(row, 14)
        activity.recoveredFlows = try rows.int64(row, 15)
        return activity
    }

    private static func time(_ rows: ResultRows, _ row: Int) throws(PostgresError) -> FlowStatistics.TimeInPhase? {
        guard let p50 = try rows.doubleIfPresent(row, 4), let p95 = try rows.doubleIfPresent(row, 5),
            let p99 = try rows.doubleIfPresent(row, 6)
        else { return nil }
        return FlowStatistics.TimeInPhase(p50: p50, p95: p95, p99: p99)
    }
}
