/// What a page may take in bytes is decided by PostgreSQL: what does not fit is not sent.
enum PageSQL {
    /// The rows of a query, in their order, as far as they fit into a page, but one in any case; `found` says how many there are with those
    /// that were left out.
    ///
    /// - Parameters:
    ///   - rows: a query in the page's order, with a LIMIT.
    ///   - row: what its rows are called in `order` and `size`.
    ///   - size: what a row takes: an expression that does not read what is stored out of line (`octets`).
    ///   - bytes: the parameter with the bytes of the page.
    static func fitting(_ rows: String, as row: String, order: String, size: String, bytes: String) -> String {
        """
        SELECT * FROM (
            SELECT \(row).*, count(*) OVER () AS found, row_number() OVER page AS place, sum(\(size)) OVER page AS total
            FROM (\(rows)) \(row) WINDOW page AS (ORDER BY \(order) ROWS UNBOUNDED PRECEDING)) \(row)
        WHERE \(row).place = 1 OR \(row).total <= \(bytes) ORDER BY \(order)
        """
    }

    /// The bytes of texts and byte strings, as they are sent, with what else a row takes.
    static func octets(_ columns: String...) -> String {
        columns.map { "coalesce(octet_length(\($0)), 0)" }.joined(separator: " + ") + " + \(rowBytes)"
    }

    /// Numbers, times and lengths of a row.
    static let rowBytes = 200

    /// As `fitting`, where the size of a row is only known when it is spelled out, which takes longer than finding the row: rows are looked
    /// at a portion at a time, until those before fill the page. So there may be a portion more than fit, and the reader cuts it.
    ///
    /// A common table expression `page`, with `place`, `portion` and `found`, and one that is called `shown`: its `portions` fill the page.
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
