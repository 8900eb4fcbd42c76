import Compression
import FlowModel
import Postgres

/// The statements that load. Every row has the columns that `LoadRow` reads; there is one for each flow that exists, with NULLs for a
/// version that does not.
enum LoadSQL {
    /// The newest versions of many flows: `$1` their number, then arrays of tenants, flow ids, versions that the clients have, and the
    /// largest states to send along.
    static let latest = Statement(
        name: "load_latest",
        sql: """
            SELECT g.i, \(columns(have: "($4)[g.i]", largest: "($5)[g.i]"))
            \(heads)
            \(version("f.version"))
            """,
        parameterTypes: [.int4, .textArray, .textArray, .int8Array, .int8Array])

    /// Whether the cache entries of many flows are still their newest versions: `$1` their number, then arrays of tenants and flow ids.
    static let check = Statement(
        name: "check_latest",
        sql: """
            SELECT g.i, f.version, f.updated_at, f.checkpoint_epoch
            \(heads)
            """,
        parameterTypes: [.int4, .textArray, .textArray])

    // One flow: `$1` tenant, `$2` flow id, `$3` the version that the client has, `$4` the largest state to send, `$5` cached bases, whose
    // states are not sent, `$6` the selector.
    static let newest = single("load_newest", number: "f.version", type: nil)
    static let version = single("load_version", number: "$6", type: .int8)
    static let checkpoint = single(
        "load_checkpoint", number: "(SELECT n.version FROM (\(CheckpointRow.named("$6"))) n)", type: .text)
    static let label = single(
        "load_label",
        number: """
            (SELECT l.version FROM flowstate.flow_version l WHERE l.tenant = $1 AND l.flow_id = $2
                AND l.version_label = $6 AND l.version >= f.first_version AND l.removed_at IS NULL ORDER BY l.version DESC LIMIT 1)
            """, type: .text)
    static let greatestLabel = single(
        "load_greatest_label",
        number: """
            (SELECT l.version FROM flowstate.flow_version l WHERE l.tenant = $1 AND l.flow_id = $2
                AND l.version_label IS NOT NULL AND l.version >= f.first_version AND l.removed_at IS NULL ORDER BY l.version_label DESC, l.version DESC LIMIT 1)
            """, type: nil)
    /// Times grow with the versions, so this walks back from the newest version to the first that is old enough. At a time that is now or
    /// later the newest version is found, whatever its time: after PostgreSQL's clock was set back, the newest ones have times in the
    /// future.
    static let time = single(
        "load_time",
        number: """
            (SELECT t.version FROM flowstate.flow_version t WHERE t.tenant = $1 AND t.flow_id = $2 AND t.removed_at IS NULL
                AND (t.created_at <= $6 OR $6 >= statement_timestamp()) ORDER BY t.version DESC LIMIT 1)
            """, type: .timestamptz)

    private static func single(_ name: String, number: String, type: OID?) -> Statement {
        Statement(
            name: name,
            sql: """
                SELECT 1, \(columns(have: "$3", largest: "$4", known: "$5"))
                FROM flowstate.flow f
                \(Self.version(number))
                WHERE f.tenant = $1 AND f.flow_id = $2
                """,
            parameterTypes: [.text, .text, .int8, .int8, .int8Array] + (type.map { [$0] } ?? []))
    }

    static func parameters(latest keys: [FlowKey], have: [FlowVersion?]? = nil, largest: [Int64]) -> Parameters {
        var parameters = parameters(check: keys)
        parameters.append(bigints: keys.count) { have?[$0] }
        parameters.append(bigints: largest.count) { largest[$0] }
        return parameters
    }

    static func parameters(check keys: [FlowKey]) -> Parameters {
        var parameters = Parameters(reservingBytes: keys.count * 64)
        parameters.append(Int32(clamping: keys.count))
        parameters.append(texts: keys.count) { keys[$0].tenant }
        parameters.append(texts: keys.count) { keys[$0].flowID }
        return parameters
    }

    // MARK: Pieces

    /// OFFSET 0 keeps the planner from reversing the join: while `flow` seems to have next to no rows, reading them all for each element
    /// seems cheaper than the index.
    private static let heads = """
        FROM generate_series(1, $1) g(i)
        CROSS JOIN LATERAL (SELECT * FROM flowstate.flow f WHERE f.tenant = ($2)[g.i] AND f.flow_id = ($3)[g.i] OFFSET 0) f
        """

    /// The version, and its bases (`VersionChain.maximumDepth`). OFFSET 0 keeps the planner from pulling the queries up: on tables that
    /// were never analysed it takes two columns of the key for as good as three, and would read every version.
    private static func version(_ number: String) -> String {
        let key = "w.tenant = f.tenant AND w.flow_id = f.flow_id AND w.version"
        let bases = zip(rows, rows.dropFirst()).map { row, base in
            """
            LEFT JOIN LATERAL (SELECT w.version, w.base_version, w.codec, w.state FROM flowstate.flow_version w
                WHERE \(key) = \(row).base_version OFFSET 0) \(base) ON true
            """
        }
        return """
            LEFT JOIN LATERAL (SELECT * FROM flowstate.flow_version w WHERE \(key) = \(number) OFFSET 0) v ON true
            \(bases.joined(separator: "\n"))
            """
    }

    /// The version and its bases: v, b1, b2…
    private static let rows = ["v"] + (1...VersionChain.maximumDepth).map { "b\($0)" }

    private static func columns(have: String, largest: String, known: String? = nil) -> String {
        // In its row, a state in parts has only their reference.
        let isSent = "v.version IS DISTINCT FROM \(have) AND (v.size <= \(largest) OR v.codec = \(StateCodec.parts.rawValue))"
        let states = rows.indices.map { place in
            let row = rows[place]
            // Nothing is needed of what lies below a known base.
            let isNews = known.map { known in rows[1...].prefix(place).map { " AND \($0).version <> ALL (\(known))" }.joined() } ?? ""
            return "\(row).version, \(row).codec, CASE WHEN \(isSent)\(isNews) THEN \(row).state END"
        }
        return "\(FlowRow.headColumns), f.checkpoint_epoch, \(VersionRow.loadedColumns), " + states.joined(separator: ", ")
    }
}

/// One row of a statement of `LoadSQL`.
struct LoadRow {
    let head: FlowHead
    /// nil: the version does not exist.
    let version: VersionRecord?
    private let checkpointEpoch: Int64
    private let bytes: [StateCompression.Row]

    private static let epochColumn = 1 + FlowRow.headColumnCount
    private static let versionColumn = epochColumn + 1
    private static let stateColumn = versionColumn + VersionRow.columnCount

    /// - Parameter known: cached bases, whose states were not asked for.
    init(_ rows: ResultRows, _ row: Int, key: FlowKey, known: [FlowVersion: [UInt8]] = [:]) throws(PostgresError) {
        head = try FlowRow.head(rows, row, from: 1, key: key)
        checkpointEpoch = try rows.int64(row, Self.epochColumn)
        version = try VersionRow.record(rows, row, from: Self.versionColumn)
        var bytes: [StateCompression.Row] = []
        for place in 0...VersionChain.maximumDepth {
            let column = Self.stateColumn + 3 * place
            guard let version = try rows.int64IfPresent(row, column) else { break }
            let codec = try rows.int16(row, column + 1)
            if place > 0, let state = known[version] {
                bytes.append(StateCompression.Row(version: version, codec: codec, bytes: [], state: state))
                break
            }
            guard let state = try rows.bytesIfPresent(row, column + 2) else { break }
            bytes.append(StateCompression.Row(version: version, codec: codec, bytes: state))
        }
        self.bytes = bytes
    }

    /// The state, if it is stored in parts.
    var parts: StateParts? {
        guard let version, let row = bytes.first, row.codec == StateCodec.parts.rawValue else { return nil }
        return StateParts(reference: row.bytes, size: version.size, digest: version.digest)
    }

    /// Whether a base came from the cache.
    var reliesOnCache: Bool { bytes.last?.state != nil }

    /// The version with its state, if it was sent along and is what was saved, and the chain that ends with it. They are inserted into the
    /// cache.
    func read(_ resources: StoreResources) -> Result<LoadedState, StateError> {
        guard let version else { return .failure(.internalFault("a version that is not there has no state")) }
        if parts != nil { return .failure(version.isTooLarge(limit: resources.limits.stateBytes)) }
        let loss = { (message: String) in
            Result<LoadedState, StateError>.failure(
                .dataLoss(flowID: head.key.flowID, version: version.version, message: message))
        }
        switch StateCompression.read(
            bytes, size: Int(clamping: version.size), largest: resources.limits.streamedStateBytes, depth: resources.patchDepth.current,
            resources.zstd)
        {
        case .failure(.outOfMemory): return .failure(.internalFault("out of memory"))
        case .failure(.damaged(let message)): return loss(message)
        case .success(let (state, chain)):
            guard Int64(state.count) == version.size, XXH3.digest(state) == version.digest else {
                return loss("\(version.size) bytes were saved, \(state.count) bytes with another digest were read")
            }
            // The base that most of its neighbours go through; what lies below it is not read again.
            if version.version != head.version, let base = chain.levels.dropLast().last ?? chain.levels.first,
                base.version != version.version, !reliesOnCache
            {
                resources.cache.insert(base: base.state, base.version, of: head.key)
            }
            let isNewest = version.version == head.version && !head.isDeleted && !reliesOnCache
            let snapshot = Snapshot(head: head, version: version, state: state, isKept: isNewest)
            // How deep a chain above a known base is cannot be told.
            let loaded = LoadedState(.snapshot(snapshot), chain: reliesOnCache ? nil : chain)
            if isNewest {
                let known = CachedVersion(
                    version: version.version, updatedAt: head.updatedAt, checkpointEpoch: checkpointEpoch, loaded: loaded,
                    chain: chain)
                resources.cache.insert(known, of: head.key)
            }
            return .success(loaded)
        }
    }
}

/// The result of a load, and the bases of the next version, if they were read. A class: it has two dozen fields, and is passed on several
/// times.
final class LoadedState: Sendable {
    let outcome: LoadOutcome
    let chain: VersionChain?

    init(_ outcome: LoadOutcome, chain: VersionChain? = nil) {
        self.outcome = outcome
        self.chain = chain
    }

    /// Nil: the client has the version, and only that was answered.
    var head: FlowHead? { if case .snapshot(let snapshot) = outcome { snapshot.head } else { nil } }
    /// Of the head, without copying all of it.
    var versionLabel: String? { if case .snapshot(let snapshot) = outcome { snapshot.version.versionLabel } else { nil } }
    var flowType: String? { if case .snapshot(let snapshot) = outcome { snapshot.head.flowType } else { nil } }
    /// Of metadata with the labels.
    var bytes: (state: Int, metadata: Int) {
        guard case .snapshot(let snapshot) = outcome else { return (0, 0) }
        let labels = snapshot.head.labels.entries.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
        return (snapshot.state.count, snapshot.version.metadata.count + labels)
    }
}
