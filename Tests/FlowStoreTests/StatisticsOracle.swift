import FlowModel
import JSON
import Postgres

@testable import FlowStore

/// The figures of a tenant, counted in Swift from every row there is: the simplest program with the same rules.
struct StatisticsOracle {
    struct Version: Sendable {
        var flowID: String
        var flowType: String
        var version: Int64
        var kind: VersionKind
        var phase: String
        var size: Int64
        var storedBytes: Int64
        var time: Timestamp
    }

    struct Head: Sendable {
        var flowType: String
        var phase: String
        var status: String
        var isDeleted: Bool
        var createdAt: Timestamp
    }

    let heads: [Head]
    let versions: [Version]

    init(tenant: String) async throws {
        heads = try await StoreCluster.sql(
            "SELECT flow_type, phase, status, deleted_at IS NOT NULL, created_at FROM flowstate.flow WHERE tenant = $1", [.text],
            { $0.append(tenant) },
            read: { rows throws(PostgresError) in
                var heads: [Head] = []
                for row in 0..<rows.count {
                    heads.append(
                        Head(
                            flowType: try rows.text(row, 0), phase: try rows.text(row, 1), status: try rows.text(row, 2),
                            isDeleted: try rows.bool(row, 3), createdAt: Timestamp(microseconds: try rows.timestamp(row, 4))))
                }
                return heads
            })
        versions = try await StoreCluster.sql(
            """
            SELECT v.flow_id, f.flow_type, v.version, v.kind, v.phase, v.size, length(v.state)::bigint, v.created_at
            FROM flowstate.flow_version v JOIN flowstate.flow f USING (tenant, flow_id) WHERE tenant = $1 ORDER BY 1, 3
            """, [.text], { $0.append(tenant) },
            read: { rows throws(PostgresError) in
                var versions: [Version] = []
                for row in 0..<rows.count {
                    guard let kind = VersionKind(rawValue: try rows.int16(row, 3)) else { continue }
                    versions.append(
                        Version(
                            flowID: try rows.text(row, 0), flowType: try rows.text(row, 1), version: try rows.int64(row, 2), kind: kind,
                            phase: try rows.text(row, 4), size: try rows.int64(row, 5), storedBytes: try rows.int64(row, 6),
                            time: Timestamp(microseconds: try rows.timestamp(row, 7))))
                }
                return versions
            })
    }

    func activity(since: Timestamp, where isMeant: (Version) -> Bool) -> FlowStatistics.Activity {
        var activity = FlowStatistics.Activity()
        for flow in Dictionary(grouping: versions, by: \.flowID).values {
            let made = flow.filter { $0.time >= since && isMeant($0) }
            if made.isEmpty { continue }
            activity.activeFlows += 1
            activity.versions += Int64(made.count)
            activity.stateBytes += made.reduce(0) { $0 + $1.size }
            activity.storedBytes += made.reduce(0) { $0 + $1.storedBytes }
            activity.phasesCompleted += Int64(made.count { $0.kind == .phaseCompleted })
            activity.errorsReported += Int64(made.count { $0.kind == .errorReported })
            activity.recoveries += Int64(made.count { $0.kind == .recovered })
            guard let lastError = made.last(where: { $0.kind == .errorReported }) else { continue }
            activity.failedFlows += 1
            let goesOn = flow.contains {
                $0.version > lastError.version && [.recovered, .transitioned, .phaseCompleted].contains($0.kind)
            }
            if goesOn { activity.recoveredFlows += 1 }
        }
        return activity
    }

    /// Comings and goings of a phase, and how long each stay that ended took, in seconds.
    func stays(since: Timestamp, flowType: String, phase: String) -> (entries: Int64, exits: Int64, times: [Double]) {
        var (entries, exits, times) = (Int64(0), Int64(0), [Double]())
        for flow in Dictionary(grouping: versions.filter { $0.flowType.utf8.elementsEqual(flowType.utf8) }, by: \.flowID).values {
            var (current, enteredAt) = (String?.none, Timestamp?.none)
            for version in flow where version.phase != current {
                if current == phase, version.time >= since {
                    exits += 1
                    if let enteredAt { times.append(Double(version.time.microseconds - enteredAt.microseconds) / 1e6) }
                }
                // What was before the oldest version that is left is not known.
                let isKnown = current != nil || version.version == 1
                if version.phase == phase, version.time >= since, isKnown { entries += 1 }
                (current, enteredAt) = (version.phase, isKnown ? version.time : nil)
            }
        }
        return (entries, exits, times.sorted())
    }

    /// As PostgreSQL defines percentile_cont: linear between the two nearest.
    static func percentile(_ share: Double, of sorted: [Double]) -> Double {
        let place = share * Double(sorted.count - 1)
        let (low, high) = (sorted[Int(place.rounded(.down))], sorted[Int(place.rounded(.up))])
        return low + (high - low) * (place - place.rounded(.down))
    }
}
