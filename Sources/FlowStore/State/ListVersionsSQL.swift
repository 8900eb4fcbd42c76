import FlowModel
import Postgres

/// The statements that list versions. `$1` tenant, `$2` flow id, or labels; then the place after which the page begins: `$3` version, `$4`
/// version label; `$5` rows, `$6` bytes; `$7` the label before which labels are, or NULL; `$8` whether versions of earlier lives are left
/// out; `$9` flow id of the place, if the list is of several flows.
enum ListVersionsSQL {
    /// The place of a version in the order.
    struct Position {
        var version: FlowVersion
        var label: String
        var flowID: String

        /// After every label: they have 255 bytes at most, unless an operator allows more.
        private static let last = String(repeating: "\u{10FFFF}", count: 1_024)

        /// Before every version.
        static func first(_ order: VersionOrder) -> Position {
            switch order {
            case .newestFirst: Position(version: .max, label: "", flowID: "")
            case .oldestFirst: Position(version: 0, label: "", flowID: "")
            case .labelDescending: Position(version: .max, label: last, flowID: "")
            }
        }
    }

    static let types: [OID] = [.text, .text, .int8, .text, .int8, .int8, .text, .bool]

    static func statement(_ order: VersionOrder, newestOfLabel: Bool) -> Statement {
        ofFlow[Int(order.rawValue - 1) * 2 + (newestOfLabel ? 1 : 0)]
    }

    static func ofFlows(newestOfLabel: Bool) -> Statement { ofFlows[newestOfLabel ? 1 : 0] }

    private static let ofFlow = VersionOrder.allCases.flatMap { order in [false, true].map { make(order, newestOfLabel: $0) } }
    private static let ofFlows = [false, true].map { make(newestOfLabel: $0) }

    private static func condition(newestOfLabel: Bool) -> String {
        let newest = """
             AND NOT EXISTS (SELECT FROM flowstate.flow_version n
                WHERE n.tenant = v.tenant AND n.flow_id = v.flow_id AND n.version_label = v.version_label AND n.version > v.version
                    AND n.removed_at IS NULL)
            """
        return """
            v.removed_at IS NULL AND ($7 IS NULL OR v.version_label < $7) AND (NOT $8 OR v.version >= f.first_version)\(newestOfLabel ? newest : "")
            """
    }

    private static func make(_ order: VersionOrder, newestOfLabel: Bool) -> Statement {
        let (after, by) =
            switch order {
            case .newestFirst: ("v.version < $3 AND $4 IS NOT NULL", "v.version DESC")
            case .oldestFirst: ("v.version > $3 AND $4 IS NOT NULL", "v.version ASC")
            case .labelDescending:
                ("v.version_label IS NOT NULL AND (v.version_label, v.version) < ($4, $3)", "v.version_label DESC, v.version DESC")
            }
        let rows = VersionRow.selected(
            where: "v.tenant = $1 AND v.flow_id = $2 AND \(after) AND \(condition(newestOfLabel: newestOfLabel))", order: by, limit: "$5",
            bytes: "$6")
        return Statement(
            name: "list_versions_\(order)" + (newestOfLabel ? "_of_label" : ""),
            sql: """
                SELECT v.* FROM flowstate.flow f LEFT JOIN LATERAL (
                    SELECT \(VersionRow.columns), v.found FROM (\(rows)) v) v ON true
                WHERE f.tenant = $1 AND f.flow_id = $2
                ORDER BY \(by)
                """,
            parameterTypes: types)
    }

    /// Of each flow as many versions as the page may have, from the label of its place on.
    private static func make(newestOfLabel: Bool) -> Statement {
        let by = "v.version_label DESC, v.flow_id ASC, v.version DESC"
        let some = VersionRow.rows(
            where: """
                v.tenant = $1 AND v.flow_id = f.flow_id AND v.version_label IS NOT NULL AND v.version_label <= $4
                    AND (v.version_label < $4 OR v.flow_id > $9 OR (v.flow_id = $9 AND v.version < $3))
                    AND \(condition(newestOfLabel: newestOfLabel))
                """, order: "v.version_label DESC, v.version DESC", limit: "$5")
        let page = """
            SELECT v.* FROM (
                SELECT f.flow_id, f.first_version FROM flowstate.flow f WHERE \(FlowsByLabel.condition("$2")) OFFSET 0) f
            CROSS JOIN LATERAL (\(some)) v ORDER BY \(by) LIMIT $5
            """
        return Statement(
            name: "list_versions_of_flows" + (newestOfLabel ? "_of_label" : ""),
            sql: """
                SELECT \(VersionRow.columns), v.found, v.flow_id FROM (\(VersionRow.fitting(page, order: by, bytes: "$6"))) v
                ORDER BY \(by)
                """,
            parameterTypes: types + [.text])
    }

    /// From the version with the label `$3`, or from the version `$4` if that is given: the versions that it was made from, one from another,
    /// as many as fit into a page. `$5` rows, `$6` bytes. Always a row; its last column is whether there is such a version.
    ///
    /// A parent comes before its child, so the line ends. Removed versions are passed by.
    static let ancestors = Statement(
        name: "list_ancestors",
        sql: """
            WITH RECURSIVE line AS (
                SELECT * FROM (
                    SELECT w.version, w.parent_version, w.parent_label, f.first_version, 0::bigint AS place, false AS is_listed
                    FROM flowstate.flow f JOIN flowstate.flow_version w ON w.tenant = f.tenant AND w.flow_id = f.flow_id
                    WHERE f.tenant = $1 AND f.flow_id = $2 AND w.version = coalesce($4, (
                        SELECT l.version FROM flowstate.flow_version l WHERE l.tenant = $1 AND l.flow_id = $2 AND l.version_label = $3
                            AND l.version >= f.first_version AND l.removed_at IS NULL ORDER BY l.version DESC LIMIT 1)) LIMIT 1) first
                UNION ALL
                SELECT w.version, w.parent_version, w.parent_label, line.first_version,
                    line.place + CASE WHEN w.removed_at IS NULL THEN 1 ELSE 0 END, w.removed_at IS NULL
                FROM line CROSS JOIN LATERAL (
                    SELECT w.* FROM flowstate.flow_version w WHERE w.tenant = $1 AND w.flow_id = $2 AND w.version >= line.first_version
                        AND w.version = CASE WHEN line.parent_label IS NULL THEN line.parent_version ELSE (
                            SELECT p.version FROM flowstate.flow_version p WHERE p.tenant = $1 AND p.flow_id = $2
                                AND p.version_label = line.parent_label AND p.version < line.version
                            ORDER BY p.version DESC LIMIT 1) END
                        AND w.version < line.version OFFSET 0) w
                WHERE line.place < $5)
            SELECT v.*, EXISTS (SELECT FROM line) FROM flowstate.flow f LEFT JOIN LATERAL (
                SELECT \(VersionRow.columns), v.found, v.line_place FROM (\(listed)) v) v ON true
            WHERE f.tenant = $1 AND f.flow_id = $2 ORDER BY v.line_place
            """,
        parameterTypes: [.text, .text, .text, .int8, .int8, .int8])

    private static let listed = VersionRow.fitting(
        """
        SELECT v.*, line.place AS line_place FROM line JOIN LATERAL (\(VersionRow.one("line.version"))) v ON true WHERE line.is_listed
        """, order: "v.line_place", bytes: "$6")
}
