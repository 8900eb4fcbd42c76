import FlowModel
import Postgres

extension StatisticsSQL {
    /// Figures from the versions made in the window, a row a type, then one a type and phase; then the entries and exits of each phase.
    ///
    /// Flows with a version in the window are those that changed last in it, so they are found by their heads; those whose hash is below
    /// `$4` are picked, and their newest versions (`$5`, each flow) read by the key. `$6`: the percentage of the heads to read.
    ///
    /// A version enters its phase, and leaves the one before, when the version before has another phase. The first version of a flow enters
    /// its phase too; of the oldest one that pruning has left, this is not known.
    static func activity(isSampled: Bool) -> Statement {
        Statement(
            name: "statistics_activity" + suffix(isSampled),
            sql: """
                WITH picked AS MATERIALIZED (
                    SELECT f.flow_id, f.flow_type FROM flowstate.flow f\(sample(isSampled, "$6"))
                    WHERE \(isOfTenantAndType) AND f.updated_at >= $3
                        AND f.updated_slot >= date_bin('10 minutes', $3, TIMESTAMPTZ '2000-01-01 00:00:00+00')
                        AND hashtextextended(f.flow_id, 0) & \((Int64(1) << StatisticsSampling.hashBits) - 1) < $4),
                versions AS MATERIALIZED (
                    SELECT p.flow_type, p.flow_id, v.*, lag(v.phase) OVER w AS phase_before,
                        max(v.version) FILTER (WHERE v.kind IN (\(goingOn))) OVER (PARTITION BY p.flow_id) AS went_on_at
                    FROM picked p CROSS JOIN LATERAL (
                        SELECT n.version, n.kind, n.phase, n.created_at, n.size, \(VersionRow.storedBytes("n")) AS stored
                        FROM flowstate.flow_version n WHERE n.tenant = $1 AND n.flow_id = p.flow_id ORDER BY n.version DESC LIMIT $5) v
                    WINDOW w AS (PARTITION BY p.flow_id ORDER BY v.version)),
                \(flows),
                \(stays)
                (SELECT flow_type, phase, NULL::bigint, NULL::bigint, NULL::float8, NULL::float8, NULL::float8, count(*), \(sum("made")),
                    \(sum("size")), \(sum("stored")), \(sum("completed")), \(sum("errors")), \(sum("recoveries")), count(failed_at),
                    count(*) FILTER (WHERE went_on_at > failed_at)
                    FROM flows GROUP BY 1, 2 ORDER BY phase IS NOT NULL, count(*) DESC, 1, 2 LIMIT \(maximumGroups))
                UNION ALL
                (SELECT flow_type, phase, count(*) FILTER (WHERE is_entry AND created_at >= $3), count(left_at) FILTER (WHERE left_at >= $3),
                    \(percentile(0.5)), \(percentile(0.95)), \(percentile(0.99)),
                    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
                    FROM stays WHERE phase <> '' GROUP BY 1, 2 ORDER BY count(*) DESC, 1, 2 LIMIT \(maximumGroups))
                """,
            parameterTypes: [.text, .text, .timestamptz, .int8, .int8] + (isSampled ? [.float8] : []))
    }

    /// Each flow separately: in all phases (NULL), and in each.
    private static let flows = """
        flows AS (
            SELECT flow_type, flow_id, phase, count(*) AS made, sum(size) AS size, sum(stored) AS stored,
                \(count(.phaseCompleted)) AS completed, \(count(.errorReported)) AS errors, \(count(.recovered)) AS recoveries,
                max(version) FILTER (WHERE kind = \(VersionKind.errorReported.rawValue)) AS failed_at, max(went_on_at) AS went_on_at
            FROM versions WHERE created_at >= $3 GROUP BY GROUPING SETS ((flow_type, flow_id), (flow_type, flow_id, phase)))
        """

    /// One row for each time that a flow was in a phase.
    private static let stays = """
        stays AS (
            SELECT flow_type, phase, created_at, version = 1 OR phase_before IS NOT NULL AS is_entry,
                lead(created_at) OVER (PARTITION BY flow_id ORDER BY version) AS left_at
            FROM versions WHERE phase IS DISTINCT FROM phase_before)
        """

    /// A flow that failed continues when one of these follows.
    private static let goingOn = [VersionKind.transitioned, .recovered, .phaseCompleted].map { "\($0.rawValue)" }.joined(separator: ", ")

    private static func count(_ kind: VersionKind) -> String { "count(*) FILTER (WHERE kind = \(kind.rawValue))" }

    private static func percentile(_ share: Double) -> String {
        """
        percentile_cont(\(share)) WITHIN GROUP (ORDER BY extract(epoch FROM left_at - created_at)::float8) \
        FILTER (WHERE is_entry AND left_at >= $3)
        """
    }
}
