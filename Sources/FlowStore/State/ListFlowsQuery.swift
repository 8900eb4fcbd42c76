import FlowModel
import Postgres

/// Builds the statement of a list of flows from the conditions that are set.
///
/// Other conditions are not in the text (`$5 IS NULL OR …` would keep the planner from using their indexes in a generic plan). The text
/// therefore has one shape for each combination: a bounded number, of which a database sees a handful.
struct ListFlowsQuery {
    private let order: FlowOrder
    private var conditions = ["f.tenant = $1"]
    private var types: [OID] = [.text]
    private var parameters = Parameters()
    /// One letter a condition: the shape, and with it the statement's name.
    private var shape = ""

    init(tenant: String, order: FlowOrder) {
        self.order = order
        parameters.append(tenant)
    }

    mutating func add(_ filter: FlowFilter) {
        if let flowType = filter.flowType { add("t", .text, "f.flow_type = $") { $0.append(flowType) } }
        if let phase = filter.phase { add("p", .text, "f.phase = $") { $0.append(phase) } }
        if let status = filter.status { add("s", .text, "f.status = $") { $0.append(status) } }
        if !filter.labels.isEmpty {
            let labels = LabelsJSON.encode(filter.labels)
            add("l", .text, "f.labels @> ($::jsonb)") { $0.append(labels) }
        }
        if let start = filter.created.start { addTime("a", "f.created_at >= $", start) }
        if let end = filter.created.end { addTime("b", "f.created_at < $", end) }
        if let start = filter.updated.start {
            addTime("c", "f.updated_at >= $ AND f.updated_slot >= \(Self.slot)", start)
        }
        if let end = filter.updated.end {
            addTime("d", "f.updated_at < $ AND f.updated_slot <= \(Self.slot)", end)
        }
        if !filter.flowIDPrefix.isEmpty { add(prefix: filter.flowIDPrefix) }
        if !filter.includeDeleted {
            conditions.append("f.deleted_at IS NULL")
        } else {
            shape += "D"
        }
    }

    /// Continues after the last row of the previous page. The row comparison is the keyset: no row is read twice.
    mutating func add(after position: PageToken.Position) {
        switch order {
        case .flowIDAscending: add("k", .text, "f.flow_id > $") { $0.append(position.text) }
        case .createdAscending: addKeyset(position) { "(f.created_at, f.flow_id) > ($\($0), $\($1))" }
        case .createdDescending: addKeyset(position) { "(f.created_at, f.flow_id) < ($\($0), $\($1))" }
        case .updatedAscending:
            addKeyset(position) { "(f.updated_slot, f.updated_at, f.flow_id) > (\(Self.slot(of: $0)), $\($0), $\($1))" }
        case .updatedDescending:
            addKeyset(position) { "(f.updated_slot, f.updated_at, f.flow_id) < (\(Self.slot(of: $0)), $\($0), $\($1))" }
        }
    }

    static func position(of head: FlowHead, order: FlowOrder) -> PageToken.Position {
        switch order {
        case .flowIDAscending: PageToken.Position(text: head.key.flowID)
        case .createdAscending, .createdDescending:
            PageToken.Position(number: head.createdAt.microseconds, text: head.key.flowID)
        case .updatedAscending, .updatedDescending:
            PageToken.Position(number: head.updatedAt.microseconds, text: head.key.flowID)
        }
    }

    mutating func finish(limit: Int64, bytes: Int64) -> (Statement, Parameters) {
        types += [.int8, .int8]
        parameters.append(limit)
        parameters.append(bytes)
        // Columns are computed for the rows of the page only: PostgreSQL would compute them before it sorts, for every flow of a slot.
        let rows = """
            SELECT * FROM flowstate.flow f WHERE \(conditions.joined(separator: " AND "))
                ORDER BY \(orderBy) LIMIT $\(types.count - 1)
            """
        let sql = """
            \(PageSQL.portions(rows, as: "f", order: orderBy, size: FlowRow.listedBytes, bytes: "$\(types.count)"))
            SELECT \(FlowRow.headColumns), f.flow_id, f.found FROM page f WHERE f.portion < (SELECT portions FROM shown) ORDER BY f.place
            """
        return (Statement(name: "list_flows_\(order.rawValue)_\(shape)", sql: sql, parameterTypes: types), parameters)
    }

    private var orderBy: String {
        switch order {
        case .updatedDescending: "f.updated_slot DESC, f.updated_at DESC, f.flow_id DESC"
        case .updatedAscending: "f.updated_slot, f.updated_at, f.flow_id"
        case .createdDescending: "f.created_at DESC, f.flow_id DESC"
        case .createdAscending: "f.created_at, f.flow_id"
        case .flowIDAscending: "f.flow_id"
        }
    }

    // MARK: - Pieces

    /// Every `$` in `condition` becomes the number of the new parameter.
    private mutating func add(_ letter: String, _ type: OID, _ condition: String, _ append: (inout Parameters) -> Void) {
        types.append(type)
        append(&parameters)
        shape += letter
        conditions.append(condition.replacing("$", with: "$\(types.count)"))
    }

    private mutating func addTime(_ letter: String, _ condition: String, _ time: Timestamp) {
        add(letter, .timestamptz, condition) { $0.append(timestamp: time.microseconds) }
    }

    private mutating func addKeyset(_ position: PageToken.Position, _ condition: (Int, Int) -> String) {
        let first = types.count + 1
        types += [.timestamptz, .text]
        parameters.append(timestamp: position.number)
        parameters.append(position.text)
        shape += "k"
        conditions.append(condition(first, first + 1))
    }

    /// The range that PostgreSQL can look up in the primary key; `starts_with` alone cannot use it with a parameter.
    private mutating func add(prefix: String) {
        add("x", .text, "f.flow_id >= $ AND starts_with(f.flow_id, $)") { $0.append(prefix) }
        if let end = Self.successor(of: prefix) { add("y", .text, "f.flow_id < $") { $0.append(end) } }
    }

    /// The smallest text above every text that begins with `prefix`, in byte order (which for UTF-8 is the order of code points); nil
    /// when there is none.
    static func successor(of prefix: String) -> String? {
        var scalars = Array(prefix.unicodeScalars)
        while let last = scalars.popLast() {
            // Surrogates are not scalars: after U+D7FF comes U+E000.
            if let next = Unicode.Scalar(last.value + 1) ?? Unicode.Scalar(last.value == 0xD7FF ? 0xE000 : 0x11_0000) {
                scalars.append(next)
                var text = String.UnicodeScalarView()
                text.append(contentsOf: scalars)
                return String(text)
            }
        }
        return nil
    }

    /// As the generated column `flow.updated_slot` is computed.
    private static let slot = slot(of: "$")

    private static func slot(of parameter: Int) -> String { slot(of: "$\(parameter)") }

    private static func slot(of time: String) -> String {
        "date_bin('10 minutes', \(time), TIMESTAMPTZ '2000-01-01 00:00:00+00')"
    }
}
