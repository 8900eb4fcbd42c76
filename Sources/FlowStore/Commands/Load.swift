import FlowModel
import Postgres

extension LoadCommand: StoreCommand {
    public func prepare(limits: Limits) throws(StateError) -> PreparedCommand<LoadOutcome> {
        try StateCheck(limits: limits).check(self)
        return prepared(largestState: Int64(limits.batchedStateBytes))
    }

    /// - Parameter largestState: a larger state is not sent along; it is asked for by a second statement, whose cost is known by then.
    private func prepared(largestState: Int64, replyBytes: Int = 0) -> PreparedCommand<LoadOutcome> {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(ifVersionNot)
        parameters.append(largestState)
        let statement: Statement
        switch selector {
        case .latest: statement = LoadSQL.latest
        case .version(let version):
            statement = LoadSQL.version
            parameters.append(version)
        case .checkpoint(let checkpoint):
            statement = LoadSQL.checkpoint
            parameters.append(checkpoint)
        case .label(let label):
            statement = LoadSQL.label
            parameters.append(label)
        case .time(let time):
            statement = LoadSQL.time
            parameters.append(timestamp: time.microseconds)
        }
        return PreparedCommand(
            lane: .reader, statement: statement, parameters: parameters, replyBytes: replyBytes
        ) { rows throws(PostgresError) in
            try decode(rows, largestState: largestState)
        }
    }

    private func decode(_ rows: ResultRows, largestState: Int64) throws(PostgresError) -> Answer<LoadOutcome> {
        guard rows.count == 1 else { return .refused(.flowNotFound(flowID: key.flowID, deleted: false)) }
        let head = try FlowRow.head(rows, 0, key: key)
        if head.isDeleted && selector == .latest { return .refused(.flowNotFound(flowID: key.flowID, deleted: true)) }
        let first = FlowRow.headColumnCount
        guard let version = try VersionRow.record(rows, 0, from: first) else {
            return .refused(Self.missing(selector, head: head, flowID: key.flowID))
        }
        if version.version == ifVersionNot { return .done(.unchanged(head, version)) }
        if version.size > largestState {
            let again = LoadCommand(key: key, selector: .version(version.version), ifVersionNot: ifVersionNot)
            return .continued(again.prepared(largestState: .max, replyBytes: Int(clamping: version.size)))
        }
        let codec = try rows.int16(0, first + VersionRow.columnCount)
        guard codec == StateCodec.raw.rawValue else {
            throw .protocolViolation("state of codec \(codec): written by a newer release")
        }
        let state = try rows.bytes(0, first + VersionRow.columnCount + 1)
        guard Int64(state.count) == version.size, Digest.xxh3(state) == version.digest else {
            return .refused(
                .dataLoss(
                    flowID: key.flowID, version: version.version,
                    message: "\(version.size) bytes were saved, \(state.count) bytes with another digest were read"))
        }
        return .done(.snapshot(Snapshot(head: head, version: version, state: state)))
    }

    private static func missing(_ selector: LoadSelector, head: FlowHead, flowID: String) -> StateError {
        switch selector {
        // The head names a version that is not there: not the client's fault.
        case .latest: .dataLoss(flowID: flowID, version: head.version, message: "its row is missing")
        case .version(let version): .versionNotFound(flowID: flowID, selector: "version \(version)")
        case .checkpoint(let checkpoint): .checkpointNotFound(flowID: flowID, checkpoint: checkpoint)
        case .label(let label): .versionNotFound(flowID: flowID, selector: "version labelled \"\(label)\"")
        case .time: .versionNotFound(flowID: flowID, selector: "version at this time or before")
        }
    }
}

/// One statement a selector: `$1` tenant, `$2` flow id, `$3` the version that the client has, `$4` the largest state to send, `$5` the
/// selector's value. Each answers one row when the flow exists, with NULLs for the version when that does not.
enum LoadSQL {
    static let latest = statement("load_latest", number: "f.version", type: nil)
    static let version = statement("load_version", number: "$5", type: .int8)
    static let checkpoint = statement(
        "load_checkpoint", number: "(SELECT n.version FROM (\(CheckpointRow.named("$5"))) n)", type: .text)
    static let label = statement(
        "load_label",
        number: """
            (SELECT l.version FROM flowstate.flow_version l WHERE l.tenant = $1 AND l.flow_id = $2
                AND l.version_label = $5 ORDER BY l.version DESC LIMIT 1)
            """, type: .text)
    /// Times grow with the versions, so this walks back from the newest version to the first that is old enough.
    static let time = statement(
        "load_time",
        number: """
            (SELECT t.version FROM flowstate.flow_version t WHERE t.tenant = $1 AND t.flow_id = $2
                AND t.created_at <= $5 ORDER BY t.version DESC LIMIT 1)
            """, type: .timestamptz)

    private static func statement(_ name: String, number: String, type: OID?) -> Statement {
        Statement(
            name: name,
            sql: """
                SELECT \(FlowRow.headColumns), \(VersionRow.columns), v.codec, CASE WHEN v.version = $3 OR v.size > $4 THEN NULL ELSE v.state END
                FROM flowstate.flow f
                LEFT JOIN \(VersionRow.numbered(number)) ON true
                WHERE f.tenant = $1 AND f.flow_id = $2
                """,
            parameterTypes: [.text, .text, .int8, .int8] + (type.map { [$0] } ?? []))
    }
}
