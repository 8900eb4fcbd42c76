/// PostgreSQL bounds the bytes of a page: rows that do not fit are not sent.
enum PageSQL {
    /// The rows of a query, in their order, as many as fit into a page but at least one; `found` is the number of all, including those that
    /// were left out.
    ///
    /// - Parameters:
    ///   - rows: a query in the page's order, with a LIMIT.
    ///   - row: the alias of its rows in `order` and `size`.
    ///   - size: the size of a row: an expression that does not read values stored out of line (`octets`).
    ///   - bytes: the parameter with the bytes of the page.
    static func fitting(_ rows: String, as row: String, order: String, size: String, bytes: String) -> String {
        """
        SELECT * FROM (
            SELECT \(row).*, count(*) OVER () AS found, row_number() OVER page AS place, sum(\(size)) OVER page AS total
            FROM (\(rows)) \(row) WINDOW page AS (ORDER BY \(order) ROWS UNBOUNDED PRECEDING)) \(row)
        WHERE \(row).place = 1 OR \(row).total <= \(bytes) ORDER BY \(order)
        """
    }

    /// The bytes of texts and byte strings as sent, and the rest of a row.
    static func octets(_ columns: String...) -> String {
        columns.map { "coalesce(octet_length(\($0)), 0)" }.joined(separator: " + ") + " + \(rowBytes)"
    }

    /// Numbers, times and lengths of a row.
    static let rowBytes = 200

    /// As `fitting`, where the size of a row is known only when its columns are computed, which takes longer than finding the row: rows are
    /// measured a portion at a time, until they fill the page. So a portion more than fits may be returned, and the reader cuts it.
    ///
    /// A common table expression `page`, with `place`, `portion` and `found`, and another, `shown`: its `portions` fill the page.
    static func portions(_ rows: String, as row: String, order: String, size: String, bytes: String) -> String {
        """
        WITH RECURSIVE page AS MATERIALIZED (
            SELECT r.*, (r.place - 1) / \(portion) AS portion FROM (
                SELECT \(row).*, row_number() OVER (ORDER BY \(order)) AS place, count(*) OVER () AS found FROM (\(rows)) \(row)) r),
        filling AS (
            SELECT 0::bigint AS portions, 0::bigint AS total
            UNION ALL
            SELECT filling.portions + 1, filling.total + next.bytes FROM filling
            CROSS JOIN LATERAL (SELECT sum(\(size))::bigint AS bytes FROM page \(row) WHERE \(row).portion = filling.portions) next
            WHERE filling.total < \(bytes) AND next.bytes IS NOT NULL),
        shown AS (SELECT max(portions) AS portions FROM filling)
        """
    }

    static let portion = 50
}
