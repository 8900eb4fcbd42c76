import FlowModel
import Postgres

/// The columns that a save writes: one table, of which the statement of a single save (`SaveSQL`) and that of many (`SaveGroupSQL`) are
/// made. A new column is an entry here, its value an entry in `SaveParameters`, beside the migration.
enum SaveColumns {
    /// A column of `flow`.
    struct Head: Sendable {
        let name: String
        /// Its value in a flow that the save creates.
        let created: @Sendable (SaveHeadSQL) -> String
        /// Its value in a flow that exists (`f`); nil: it stays.
        let updated: @Sendable (SaveHeadSQL) -> String?

        fileprivate init(
            _ name: String, created: @escaping @Sendable (SaveHeadSQL) -> String,
            updated: @escaping @Sendable (SaveHeadSQL) -> String? = { _ in nil }
        ) {
            self.name = name
            self.created = created
            self.updated = updated
        }

        /// A text that stays when the save has none, and is empty in a new flow.
        fileprivate static func text(_ name: String, _ value: SaveValue) -> Head {
            Head(name, created: { "coalesce(\($0[value]), '')" }, updated: { "coalesce(\($0[value]), f.\(name))" })
        }
    }

    static let heads = [
        Head("tenant", created: { $0[.tenant] }),
        Head("flow_id", created: { $0[.flowID] }),
        Head("version", created: { $0.count }, updated: { "f.version + \($0.count)" }),
        Head("flow_type", created: { "coalesce(\($0[.flowType]), '')" }),
        .text("phase", .phase),
        .text("status", .status),
        Head("progress", created: { $0[.progress] }, updated: { "coalesce(\($0[.progress]), f.progress)" }),
        Head(
            "labels", created: { "coalesce(\($0[.labels])::jsonb, jsonb_strip_nulls(\($0[.labelChanges])::jsonb), '{}')" },
            updated: { "coalesce(\($0[.labels])::jsonb, \($0.labels.merged), f.labels)" }),
        Head("created_at", created: { _ in "statement_timestamp()" }),
        // A version is never older than the one before, whatever the clock does.
        Head("updated_at", created: { _ in "statement_timestamp()" }, updated: { _ in "greatest(statement_timestamp(), f.updated_at)" }),
        Head(
            "checkpoint_epoch", created: { "\($0.epoch)" },
            updated: { $0.epoch == 0 ? nil : "f.checkpoint_epoch + \($0.epoch)" }),
        Head(
            "definition_revision", created: { $0[.revision] },
            updated: { head in
                head.kind.map {
                    "CASE WHEN \($0) = \(VersionKind.definitionMoved.rawValue) THEN \(head[.revision]) ELSE f.definition_revision END"
                }
            }),
    ]

    /// A column of `flow_version`.
    struct Version: Sendable {
        let name: String
        let value: @Sendable (SaveVersionSQL) -> String

        fileprivate init(_ name: String, _ value: @escaping @Sendable (SaveVersionSQL) -> String) {
            self.name = name
            self.value = value
        }
    }

    static let versions = [
        Version("tenant") { $0.head(.tenant) },
        Version("flow_id") { $0.head(.flowID) },
        Version("version") { $0.number },
        Version("parent_version") { $0.parent },
        Version("size") { $0.row(.size) },
        Version("created_at") { _ in "h.updated_at" },
        Version("progress") { $0.carried(.rowProgress, "h.progress") },
        // The first version of a flow is always of the kind "created".
        Version("kind") { "CASE \($0.number) WHEN 1 THEN \(VersionKind.created.rawValue)::smallint ELSE \($0.row(.kind)) END" },
        Version("codec") { $0.row(.codec) },
        Version("digest") { $0.row(.digest) },
        Version("actor") { $0.row(.actor) },
        Version("content_type") { $0.row(.contentType) },
        Version("phase") { $0.carried(.rowPhase, "h.phase") },
        Version("status") { $0.carried(.rowStatus, "h.status") },
        Version("version_label") { $0.row(.versionLabel) },
        Version("metadata") { $0.row(.metadata) },
        Version("base_version") { $0.row(.rowBase) },
        Version("state") { $0.row(.state) },
    ]
}

/// What the columns of a head are made of.
struct SaveHeadSQL {
    /// The expression of a value.
    let value: (SaveValue) -> String
    /// How many versions are written, an expression.
    var count = "1"
    /// What the save adds to `checkpoint_epoch`.
    var epoch = 0
    /// The expression of the version's kind, if it may be that of a flow that moves to another definition.
    var kind: String?
    /// The parameter with the limit of a flow's labels; NULL: none are merged.
    let labelLimit: String

    subscript(_ value: SaveValue) -> String { self.value(value) }

    var labels: LabelSQL { LabelSQL(labels: "f.labels", changes: self[.labelChanges], limit: labelLimit) }

    /// Up to the rows.
    var insertion: String {
        let columns = SaveColumns.heads
        return """
            INSERT INTO flowstate.flow AS f (\(columns.map(\.name).joined(separator: ", ")))
            SELECT \(columns.map { $0.created(self) }.joined(separator: ", "))
            """
    }

    /// Up to the condition.
    var update: String {
        let changes = SaveColumns.heads.compactMap { column in column.updated(self).map { "\(column.name) = \($0)" } }
        return "SET " + changes.joined(separator: ", ")
    }

    /// Whether the flow `f` may be changed. A base must exist: it may have been pruned, or never have been in this database. From the floor
    /// on, every version exists.
    var isChangeable: String {
        """
        f.deleted_at IS NULL AND (\(self[.flowType]) IS NULL OR f.flow_type = \(self[.flowType]))
            AND (\(self[.base]) IS NULL OR \(self[.base]) BETWEEN f.base_floor AND f.version) AND \(LeaseSQL.allows(self[.leaseToken]))
        """
    }

    /// Whether the flow `f` is at the version that the save expects.
    var isExpected: String { "(\(self[.expected]) IS NULL OR f.version = \(self[.expected]))" }

    /// What a version needs of the head (`head h`).
    static let returning = "f.version, f.phase, f.status, f.progress, f.updated_at"
}

/// What the columns of a version are made of.
struct SaveVersionSQL {
    /// The expression of a value of the head, or of the row.
    let head: (SaveValue) -> String
    let row: (SaveValue) -> String
    /// The expressions of the version's number and its parent's.
    let number: String
    let parent: String
    /// The value that the row has of its own, or else that of the head.
    let carried: (SaveValue, String) -> String

    /// - Parameter source: what comes behind FROM; the head is `h`.
    func insertion(from source: String) -> String {
        let columns = SaveColumns.versions
        return """
            INSERT INTO flowstate.flow_version (\(columns.map(\.name).joined(separator: ", ")))
            SELECT \(columns.map { $0.value(self) }.joined(separator: ", "))
            FROM \(source)
            """
    }
}

/// A value that a save passes to its statement.
enum SaveValue: Sendable {
    case tenant, flowID, count, first, expected, flowType, phase, status, progress, labels, labelChanges, base, revision, leaseToken
    case kind, actor, contentType, state, size, digest, codec, parentVersion, rowBase, versionLabel, metadata
    case rowPhase, rowStatus, rowProgress
    case key, requestDigest
}

/// The new values of a flow's head; nil keeps the old one. A class, as a row is: each is passed to two dozen closures.
final class SaveHead: Sendable {
    let key: FlowKey
    /// How many rows there are, and the place of the first one, from 1.
    let count: Int
    let first: Int
    let expected: FlowVersion?
    let flowType: String?
    let phase: String?
    let status: String?
    let progress: Double?
    let labels: Labels?
    let labelChanges: LabelChanges?
    /// The oldest base of the rows.
    let base: FlowVersion?
    let revision: Int64?
    let leaseToken: Int64?

    /// Of a single save.
    init(_ command: SaveCommand, base: FlowVersion?) {
        key = command.key
        (count, first) = (1, 1)
        expected = command.precondition.expectedVersion
        flowType = command.flowType
        phase = command.phase
        status = command.status
        progress = command.progress
        labels = command.labels
        labelChanges = command.labelChanges
        self.base = base
        revision = command.definitionRevision
        leaseToken = command.leaseToken
    }

    init(_ group: SaveGroup, _ key: FlowKey, first: Int, base: FlowVersion?) {
        self.key = key
        count = group.count
        self.first = first
        expected = if case .present(let version?) = group.start { version } else { nil }
        flowType = group.flowType
        phase = group.phase
        status = group.status
        progress = group.progress
        labels = group.labels
        labelChanges = group.labelChanges
        self.base = base
        revision = group.definitionRevision
        leaseToken = group.leaseToken
    }
}

/// A row of `flow_version`.
final class SaveRow: Sendable {
    let save: SaveChange
    let stored: StoredState
    /// Carried over from save to save of a group; nil: the head's value.
    let phase: String?
    let status: String?
    let progress: Double?

    init(_ save: SaveChange, _ stored: StoredState, phase: String? = nil, status: String? = nil, progress: Double? = nil) {
        self.save = save
        self.stored = stored
        self.phase = phase
        self.status = status
        self.progress = progress
    }
}

/// The parameters of a save's statements, in their order. A statement of many saves has an array for each, with an element for each flow or
/// for each row.
struct SaveParameter<Item: Sendable>: Sendable {
    enum Use { case single, groups, both }

    /// The type in PostgreSQL, and the value of an item.
    enum Encoding: Sendable {
        case text(@Sendable (Item) -> String?)
        case bytes(@Sendable (Item) -> [UInt8]?)
        case double(@Sendable (Item) -> Double?)
        case bigint(@Sendable (Item) -> Int64?)
        case integer(@Sendable (Item) -> Int32)
        case smallint(@Sendable (Item) -> Int16)
    }

    let value: SaveValue
    let encoding: Encoding
    let use: Use

    fileprivate init(_ value: SaveValue, _ encoding: Encoding, _ use: Use = .both) {
        self.value = value
        self.encoding = encoding
        self.use = use
    }

    var type: OID {
        switch encoding {
        case .text: .text
        case .bytes: .bytea
        case .double: .float8
        case .bigint: .int8
        case .integer: .int4
        case .smallint: .int2
        }
    }

    var arrayType: OID {
        switch encoding {
        case .text: .textArray
        case .bytes: .byteaArray
        case .double: .float8Array
        case .bigint: .int8Array
        case .integer: .int4Array
        case .smallint: .int2Array
        }
    }

    func append(_ item: Item, to parameters: inout Parameters) {
        switch encoding {
        case .text(let value): parameters.append(value(item))
        case .bytes(let value): parameters.append(bytes: value(item))
        case .double(let value): parameters.append(value(item))
        case .bigint(let value): parameters.append(value(item))
        case .integer(let value): parameters.append(value(item))
        case .smallint(let value): parameters.append(value(item))
        }
    }

    func append(_ items: [Item], to parameters: inout Parameters) {
        switch encoding {
        case .text(let value): parameters.append(texts: items.count) { value(items[$0]) }
        case .bytes(let value): parameters.append(byteStrings: items.count) { value(items[$0]) }
        case .double(let value): parameters.append(doubles: items.count) { value(items[$0]) }
        case .bigint(let value): parameters.append(bigints: items.count) { value(items[$0]) }
        case .integer(let value): parameters.append(integers: items.count) { value(items[$0]) }
        case .smallint(let value): parameters.append(smallints: items.count) { value(items[$0]) }
        }
    }
}

enum SaveParameters {
    static let heads: [SaveParameter<SaveHead>] = [
        .init(.tenant, .text { $0.key.tenant }),
        .init(.flowID, .text { $0.key.flowID }),
        .init(.count, .integer { Int32(clamping: $0.count) }, .groups),
        .init(.first, .integer { Int32(clamping: $0.first) }, .groups),
        .init(.expected, .bigint { $0.expected }),
        .init(.flowType, .text { $0.flowType }),
        .init(.phase, .text { $0.phase }),
        .init(.status, .text { $0.status }),
        .init(.progress, .double { $0.progress }),
        .init(.labels, .text { $0.labels.map(LabelsJSON.encode) }),
        .init(.labelChanges, .text { $0.labelChanges.map(LabelsJSON.encode) }),
        .init(.base, .bigint { $0.base }),
        .init(.revision, .bigint { $0.revision }),
        .init(.leaseToken, .bigint { $0.leaseToken }),
    ]
    static let rows: [SaveParameter<SaveRow>] = [
        .init(.kind, .smallint { $0.save.command.kind.rawValue }),
        .init(.actor, .text { $0.save.command.actor }),
        .init(.contentType, .text { $0.save.command.contentType.text }),
        .init(.state, .bytes { $0.stored.bytes }),
        .init(.size, .bigint { Int64($0.save.command.state.count) }),
        .init(.digest, .bytes { $0.save.digest }),
        .init(.codec, .smallint { $0.stored.codec.rawValue }),
        .init(.parentVersion, .bigint { $0.save.command.parentVersion }, .single),
        .init(.rowBase, .bigint { $0.stored.base }),
        .init(.versionLabel, .text { $0.save.command.versionLabel }),
        .init(.metadata, .bytes { $0.save.command.metadata.isEmpty ? nil : $0.save.command.metadata }),
        .init(.rowPhase, .text { $0.phase }, .groups),
        .init(.rowStatus, .text { $0.status }, .groups),
        .init(.rowProgress, .double { $0.progress }, .groups),
    ]
    static let keys: [SaveParameter<SaveRow>] = [
        .init(.key, .text { $0.save.command.idempotencyKey }),
        .init(.requestDigest, .bytes { $0.save.requestDigest }),
    ]

    // MARK: A single save

    static let singleHeads = heads.filter { $0.use != .groups }
    static let singleRows = rows.filter { $0.use != .groups }
    /// The limit of a flow's labels comes last.
    static let singleTypes = singleHeads.map(\.type) + singleRows.map(\.type) + [.int4]
    private static let singlePositions = positions(singleHeads.map(\.value) + singleRows.map(\.value), from: 1)
    static let singleLabelLimit = "$\(singleTypes.count)"

    /// The parameter of a value.
    static func single(_ value: SaveValue) -> String { "$\(singlePositions[value] ?? 0)" }

    static func single(_ head: SaveHead, _ row: SaveRow, labelLimit: Int) -> Parameters {
        var parameters = Parameters(reservingBytes: row.stored.bytes.count + row.save.command.metadata.count + 512)
        for parameter in singleHeads { parameter.append(head, to: &parameters) }
        for parameter in singleRows { parameter.append(row, to: &parameters) }
        parameters.append(head.labelChanges == nil ? nil : Int32(clamping: labelLimit))
        if row.save.command.idempotencyKey != nil { for parameter in keys { parameter.append(row, to: &parameters) } }
        return parameters
    }

    // MARK: Groups of saves

    private static let groupHeads = heads.filter { $0.use != .single }
    private static let groupRows = rows.filter { $0.use != .single }
    private static let groupPositions = positions((groupHeads.map(\.value) + (groupRows + keys).map(\.value)), from: 3)

    /// The number of groups (`$1`) and the limit of a flow's labels (`$2`; NULL: no group has label changes), then the arrays.
    static func groupTypes(idempotent: Bool) -> [OID] {
        [.int4, .int4] + groupHeads.map(\.arrayType) + (idempotent ? groupRows + keys : groupRows).map(\.arrayType)
    }

    /// The parameter of a value: an array.
    static func groups(_ value: SaveValue) -> String { "$\(groupPositions[value] ?? 0)" }

    static func groups(_ heads: [SaveHead], _ rows: [SaveRow], idempotent: Bool, labelLimit: Int) -> Parameters {
        let bytes = rows.reduce(0) { $0 + $1.stored.bytes.count + $1.save.command.metadata.count }
        var parameters = Parameters(reservingBytes: bytes + 512 * (rows.count + heads.count))
        parameters.append(Int32(heads.count))
        parameters.append(heads.contains { $0.labelChanges != nil } ? Int32(clamping: labelLimit) : nil)
        for parameter in groupHeads { parameter.append(heads, to: &parameters) }
        for parameter in groupRows { parameter.append(rows, to: &parameters) }
        if idempotent { for parameter in keys { parameter.append(rows, to: &parameters) } }
        return parameters
    }

    private static func positions(_ values: [SaveValue], from first: Int) -> [SaveValue: Int] {
        Dictionary(zip(values, first...)) { first, _ in first }
    }
}
