import FlowModel
import Postgres

/// A value that a save passes to its statement.
enum SaveValue: Sendable {
    case tenant, flowID, count, first, expected, flowType, phase, status, progress, labels, labelChanges, base, revision, leaseToken, ttl
    case phaseLimit, statusLimit, overdueSince, overdueFound
    case kind, actor, contentType, state, size, digest, codec, parentVersion, rowBase, versionLabel, metadata
    case parentLabel, tags, expectedLabel
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
    let ttl: Int64?
    let timeLimits: EnteredLimits?

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
        ttl = command.ttlMilliseconds
        timeLimits = command.timeLimits
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
        ttl = group.ttl
        timeLimits = group.timeLimits
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
    /// Whether few saves have it: the statements of groups are there with these and without, since each takes PostgreSQL time.
    let isRare: Bool

    fileprivate init(_ value: SaveValue, _ encoding: Encoding, _ use: Use = .both, isRare: Bool = false) {
        self.value = value
        self.encoding = encoding
        self.use = use
        self.isRare = isRare
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
        .init(.leaseToken, .bigint { $0.leaseToken }, isRare: true),
        .init(.ttl, .bigint { $0.ttl }, isRare: true),
        .init(.phaseLimit, .bigint { $0.timeLimits.flatMap { $0.endsFlow ? -1 : $0.phase } }, isRare: true),
        .init(.statusLimit, .bigint { $0.timeLimits.flatMap { $0.endsFlow ? -1 : $0.status } }, isRare: true),
    ]
    static let rows: [SaveParameter<SaveRow>] = [
        .init(.kind, .smallint { $0.save.command.kind.rawValue }),
        .init(.actor, .text { $0.save.command.actor }),
        .init(.contentType, .text { $0.save.command.contentType.text }),
        .init(.state, .bytes { $0.stored.bytes }),
        .init(.size, .bigint { $0.save.command.stateSize }),
        .init(.digest, .bytes { $0.save.digest }),
        .init(.codec, .smallint { $0.stored.codec.rawValue }),
        .init(.parentVersion, .bigint { $0.save.command.parentVersion }, .single),
        .init(.rowBase, .bigint { $0.stored.base }),
        .init(.versionLabel, .text { $0.save.command.versionLabel }),
        .init(.parentLabel, .text { $0.save.command.parentLabel }, isRare: true),
        .init(.tags, .text { $0.save.command.tags.isEmpty ? nil : LabelsJSON.encode($0.save.command.tags) }, isRare: true),
        .init(.expectedLabel, .text { $0.save.command.precondition.expectedLabel }, .single),
        .init(.overdueSince, .bigint { $0.save.command.overdue?.dueAt.microseconds }, .single),
        .init(.overdueFound, .bigint { $0.save.command.overdue?.foundAt.microseconds }, .single),
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

    /// - Parameter keyed: whether the statement has the idempotency key, if the save has one.
    static func single(_ head: SaveHead, _ row: SaveRow, labelLimit: Int, keyed: Bool = true) -> Parameters {
        var parameters = Parameters(reservingBytes: row.stored.bytes.count + row.save.command.metadata.count + 512)
        for parameter in singleHeads { parameter.append(head, to: &parameters) }
        for parameter in singleRows { parameter.append(row, to: &parameters) }
        parameters.append(head.labelChanges == nil ? nil : Int32(clamping: labelLimit))
        if keyed, row.save.command.idempotencyKey != nil { for parameter in keys { parameter.append(row, to: &parameters) } }
        return parameters
    }

    // MARK: Groups of saves

    /// The arrays of a statement.
    private struct Arrays {
        let heads: [SaveParameter<SaveHead>]
        let rows: [SaveParameter<SaveRow>]
        let positions: [SaveValue: Int]

        init(rare: Bool) {
            heads = SaveParameters.heads.filter { $0.use != .single && (rare || !$0.isRare) }
            rows = SaveParameters.rows.filter { $0.use != .single && (rare || !$0.isRare) }
            positions = SaveParameters.positions((heads.map(\.value) + (rows + keys).map(\.value)), from: 3)
        }
    }

    private static let usualArrays = Arrays(rare: false)
    private static let allArrays = Arrays(rare: true)

    private static func arrays(rare: Bool) -> Arrays { rare ? allArrays : usualArrays }

    /// The number of groups (`$1`) and the limit of a flow's labels (`$2`; NULL: no group has label changes), then the arrays.
    static func groupTypes(idempotent: Bool, rare: Bool) -> [OID] {
        let arrays = arrays(rare: rare)
        return [.int4, .int4] + arrays.heads.map(\.arrayType) + (idempotent ? arrays.rows + keys : arrays.rows).map(\.arrayType)
    }

    /// The parameter of a value: an array.
    static func groups(_ value: SaveValue, rare: Bool) -> String { "$\(arrays(rare: rare).positions[value] ?? 0)" }

    static func groups(_ heads: [SaveHead], _ rows: [SaveRow], idempotent: Bool, rare: Bool, labelLimit: Int) -> Parameters {
        let arrays = arrays(rare: rare)
        let bytes = rows.reduce(0) { $0 + $1.stored.bytes.count + $1.save.command.metadata.count }
        var parameters = Parameters(reservingBytes: bytes + 512 * (rows.count + heads.count))
        parameters.append(Int32(heads.count))
        parameters.append(heads.contains { $0.labelChanges != nil } ? Int32(clamping: labelLimit) : nil)
        for parameter in arrays.heads { parameter.append(heads, to: &parameters) }
        for parameter in arrays.rows { parameter.append(rows, to: &parameters) }
        if idempotent { for parameter in keys { parameter.append(rows, to: &parameters) } }
        return parameters
    }

    private static func positions(_ values: [SaveValue], from first: Int) -> [SaveValue: Int] {
        Dictionary(zip(values, first...)) { first, _ in first }
    }
}
