import Postgres

/// An operation of one statement with texts in and texts out, or whatever `read` makes of the rows.
package struct SQL<Outcome: Sendable>: SingleOperation {
    package let statement: Statement
    package let parameters: Parameters
    package var cost = 100
    package var affinity = BatchAffinity.any
    package let read: @Sendable (ResultRows) throws(PostgresError) -> Outcome

    package func enqueue(into pipeline: inout Pipeline) { pipeline.execute(statement, parameters) }

    package func decode(_ results: [ResultRows]) throws(PostgresError) -> Step<Self> {
        guard results.count == 1 else { throw .protocolViolation("\(results.count) results") }
        return .finished(try read(results[0]))
    }
}

extension SQL {
    package init(
        _ sql: String, _ types: [OID] = [], alone: Bool = false, _ fill: (inout Parameters) -> Void = { _ in },
        read: @escaping @Sendable (ResultRows) throws(PostgresError) -> Outcome
    ) {
        var parameters = Parameters()
        fill(&parameters)
        self.init(
            statement: Statement(name: "t\(sql.hashValue)", sql: sql, parameterTypes: types), parameters: parameters,
            affinity: alone ? .exclusive : .any, read: read)
    }
}

extension SQL where Outcome == Int {
    /// A command: how many rows it affected.
    package init(command sql: String, _ types: [OID] = [], _ fill: (inout Parameters) -> Void = { _ in }) {
        self.init(sql, types, fill) { rows in rows.affectedRows }
    }
}

extension SQL where Outcome == Int64 {
    /// One `int8`.
    package init(number sql: String, _ types: [OID] = [], _ fill: (inout Parameters) -> Void = { _ in }) {
        self.init(sql, types, fill) { (rows) throws(PostgresError) in try rows.int64(0, 0) }
    }
}
