import FlowModel
import Postgres

/// Builds the statement of a list of flows from the conditions that are set.
///
/// Other conditions are not in the text (`$5 IS NULL OR …` would keep the planner from using their indexes in a generic plan). The text
/// therefore has one shape for each combination: a bounded number, of which a database sees a handful.
struct ListFlowsQuery {
    private let order: FlowOrder
    /// Of a head `f`, beside the tenant.
    private var conditions: [String] = []
    /// Of a version `v`, as far as a head's conditions hold for its newest version too: where to look, and what to look at.
    private var versionRange: [String] = []
    private var versionConditions: [String] = []
    /// The tenant is in the condition of the labels. Beside it, PostgreSQL would intersect the labelled flows with all flows of the tenant.
    private var hasLabels = false
    private var types: [OID] = [.text]
    private var parameters = Parameters()
    /// One letter a condition: the shape, and with it the statement's name.
    private var shape = ""

    init(tenant: String, order: FlowOrder) {
        self.order = order
        parameters.append(tenant)
    }

    mutating func add(_ filter: FlowFilter) {
        if let flowType = filter.flowType { add("t", text: flowType) { "f.flow_type = \($0)" } }
        if let phase = filter.phase {
            add("p", text: phase) { "f.phase = \($0)" }
            versionConditions.append("v.phase = $\(types.count)")
        }
        if let status = filter.status {
            add("s", text: status) { "f.status = \($0)" }
            versionConditions.append("v.status = $\(types.count)")
        }
        if !filter.labels.isEmpty {
            // As the index `flow_tenant_labels` has them.
            add("l", text: LabelsJSON.encode(filter.labels)) {
                "jsonb_set('{}', ARRAY[f.tenant], f.labels) @> jsonb_set('{}', ARRAY[$1], \($0)::jsonb)"
            }
            hasLabels = true
        }
        if let start = filter.created.start { add("a", time: start) { "f.created_at >= \($0)" } }
        if let end = filter.created.end { add("b", time: end) { "f.created_at < \($0)" } }
        if let start = filter.updated.start {
            add("c", time: start) { "f.updated_at >= \($0) AND f.updated_slot >= \(Self.slot(of: $0))" }
            versionRange.append("v.created_at >= $\(types.count)")
        }
        if let end = filter.updated.end {
            add("d", time: end) { "f.updated_at < \($0) AND f.updated_slot <= \(Self.slot(of: $0))" }
            versionRange.append("v.created_at < $\(types.count)")
        }
        if !filter.flowIDPrefix.isEmpty { add(prefix: filter.flowIDPrefix) }
        if filter.isOverdue {
            conditions.append(DueSQL.isOverdue)
            shape += "o"
        }
        if !filter.includeDeleted {
            conditions.append("f.deleted_at IS NULL")
        } else {
            shape += "D"
        }
    }

    /// Continues after the last row of the previous page. The row comparison is the keyset: no row is read twice.
    mutating func add(after position: PageToken.Position) {
        switch order {
        case .flowIDAscending: add("k", text: position.text) { "f.flow_id > \($0)" }
        case .createdAscending: addKeyset(position) { "(f.created_at, f.flow_id) > (\($0), \($1))" }
        case .createdDescending: addKeyset(position) { "(f.created_at, f.flow_id) < (\($0), \($1))" }
        case .updatedAscending:
            addKeyset(position) { "(f.updated_slot, f.updated_at, f.flow_id) > (\(Self.slot(of: $0)), \($0), \($1))" }
            versionRange.append("(v.created_at, v.flow_id) > ($\(types.count - 1), $\(types.count))")
        case .updatedDescending:
            addKeyset(position) { "(f.updated_slot, f.updated_at, f.flow_id) < (\(Self.slot(of: $0)), \($0), \($1))" }
            versionRange.append("(v.created_at, v.flow_id) < ($\(types.count - 1), $\(types.count))")
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

    /// - Parameters:
    ///   - limit: how many rows.
    ///   - bytes: how many of them fit into a page.
    ///   - search: how to find the flows of an order by change.
    mutating func finish(limit: Int64, bytes: Int64, search: ListSearches.Search) -> (Statement, Parameters) {
        let limitParameter = "$\(append(limit))"
        // Columns are computed for the rows of the page only: PostgreSQL would compute them before it sorts, for every flow of a slot.
        let rows =
            switch order {
            case .updatedAscending, .updatedDescending:
                changed(limit: limitParameter, versions: "$\(append(search.versions))", measures: "$\(append(search.measures ? 1 : 0))")
            case .createdAscending, .createdDescending, .flowIDAscending:
                "SELECT \(Self.columns), NULL::bigint AS crowd FROM (\(sorted(limit: limitParameter))) f"
            }
        let page = PageSQL.portions(rows, as: "f", order: orderBy, size: FlowRow.listedBytes, bytes: "$\(append(bytes))")
        let sql = """
            \(page)
            SELECT \(FlowRow.headColumns), f.flow_id, f.found, f.crowd FROM page f
            WHERE f.portion < (SELECT portions FROM shown) ORDER BY f.place
            """
        return (Statement(name: "list_flows_\(order.rawValue)_\(shape)", sql: sql, parameterTypes: types), parameters)
    }

    /// The first flows by an order of change, as heads with `crowd`: NULL if they were found by their versions, otherwise as many flows as
    /// were sorted for the end of the page, if `measures` is 1.
    ///
    /// The index has a flow in a slot of ten minutes, and all flows of a slot are sorted for a page. Versions are in their order already, so
    /// where a slot is crowded, they lead to its flows at once: at most `versions` of them are looked at, since those that are not their
    /// flow's newest lead to nothing.
    private func changed(limit: String, versions: String, measures: String) -> String {
        let farthestSlot = order == .updatedAscending ? "max" : "min"
        return """
            WITH walked AS MATERIALIZED (\(walked(limit: limit, versions: versions))),
            missed AS MATERIALIZED (SELECT count(*) < \(limit) OR bool_or(is_end) AS is_missed FROM walked),
            sorted AS MATERIALIZED (\(sorted(limit: limit, if: "(SELECT is_missed FROM missed)")))
            (SELECT \(Self.columns), NULL::bigint AS crowd FROM walked f WHERE NOT (SELECT is_missed FROM missed)
                ORDER BY \(orderBy) LIMIT \(limit))
            UNION ALL
            SELECT \(Self.columns), CASE \(measures) WHEN 1 THEN (
                SELECT count(*) FROM (
                    SELECT FROM flowstate.flow f
                    WHERE \(isListed) AND f.updated_slot = (SELECT \(farthestSlot)(f.updated_slot) FROM sorted f)
                    LIMIT \(ListSearches.largestCrowd)) f)
                ELSE 0 END FROM sorted f
            """
    }

    /// The heads that the first `versions` versions lead to, in the order of their times, and all of the last time: so nothing is sorted before
    /// it is known how far to go, whatever the planner expects. If there are more versions, a row `is_end` is the last one, and others of
    /// its time may be missing.
    ///
    /// The planner does not know the parameter; by the largest one it sees that reading in order and stopping is cheapest.
    private func walked(limit: String, versions: String) -> String {
        let range = (["v.tenant = $1", "v.created_at > '-infinity'"] + versionRange).joined(separator: " AND ")
        let direction = order == .updatedAscending ? "ASC" : "DESC"
        let isListed = (versionConditions + ["f.tenant = $1"] + conditions).joined(separator: " AND ")
        return """
            SELECT f.*, v.place > \(versions) AS is_end FROM (
                SELECT * FROM (
                    SELECT v.flow_id, v.version, v.phase, v.status, v.created_at, row_number() OVER (ORDER BY v.created_at \(direction)) AS place
                    FROM flowstate.flow_version v WHERE \(range)
                    ORDER BY v.created_at \(direction) LIMIT \(ListSearches.mostVersions + 1)) v
                ORDER BY v.created_at \(direction) LIMIT \(versions) + 1) v
            LEFT JOIN LATERAL (
                SELECT * FROM flowstate.flow f
                WHERE v.place <= \(versions) AND f.flow_id = v.flow_id AND f.version = v.version AND \(isListed) LIMIT 1) f ON true
            WHERE f.flow_id IS NOT NULL OR v.place > \(versions)
            ORDER BY v.created_at \(direction) FETCH FIRST (\(limit)) ROWS WITH TIES
            """
    }

    /// What `FlowRow.headColumns` are computed from, and the keys of all orders.
    private static let columns = """
        f.version, f.flow_type, f.phase, f.status, f.progress, f.labels, f.created_at, f.updated_at, f.deleted_at, f.definition_revision, f.expires_at, \
        f.phase_due_at, f.status_due_at, f.flow_id, f.updated_slot
        """

    private func sorted(limit: String, if condition: String? = nil) -> String {
        """
        SELECT * FROM flowstate.flow f WHERE \(condition.map { "\($0) AND " } ?? "")\(isListed) ORDER BY \(orderBy) LIMIT \(limit)
        """
    }

    private var isListed: String { ((hasLabels ? [] : ["f.tenant = $1"]) + conditions).joined(separator: " AND ") }

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

    /// The number of the new parameter.
    private mutating func append(_ number: Int64) -> Int {
        types.append(.int8)
        parameters.append(number)
        return types.count
    }

    /// - Parameter condition: of the new parameter.
    private mutating func add(_ letter: String, text: String, _ condition: (String) -> String) {
        types.append(.text)
        parameters.append(text)
        shape += letter
        conditions.append(condition("$\(types.count)"))
    }

    private mutating func add(_ letter: String, time: Timestamp, _ condition: (String) -> String) {
        types.append(.timestamptz)
        parameters.append(timestamp: time.microseconds)
        shape += letter
        conditions.append(condition("$\(types.count)"))
    }

    private mutating func addKeyset(_ position: PageToken.Position, _ condition: (String, String) -> String) {
        types += [.timestamptz, .text]
        parameters.append(timestamp: position.number)
        parameters.append(position.text)
        shape += "k"
        conditions.append(condition("$\(types.count - 1)", "$\(types.count)"))
    }

    /// The range that PostgreSQL can look up in the primary key; `starts_with` alone cannot use it with a parameter.
    private mutating func add(prefix: String) {
        add("x", text: prefix) { "f.flow_id >= \($0) AND starts_with(f.flow_id, \($0))" }
        if let end = Self.successor(of: prefix) { add("y", text: end) { "f.flow_id < \($0)" } }
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
    private static func slot(of time: String) -> String {
        "date_bin('10 minutes', \(time), TIMESTAMPTZ '2000-01-01 00:00:00+00')"
    }
}
