@testable import Postgres

/// An operation of one statement with texts in and texts out, or whatever `read` makes of the rows.
struct SQL<Outcome: Sendable>: SingleOperation {
    let statement: Statement
    let parameters: Parameters
    var cost = 100
    var affinity = BatchAffinity.any
    let read: @Sendable (ResultRows) throws(PostgresError) -> Outcome

    func enqueue(into pipeline: inout Pipeline) { pipeline.execute(statement, parameters) }

    func decode(_ results: [ResultRows]) throws(PostgresError) -> Step<Self> {
        guard results.count == 1 else { throw .protocolViolation("\(results.count) results") }
        return .finished(try read(results[0]))
    }
}

extension SQL {
    init(
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
    init(command sql: String, _ types: [OID] = [], _ fill: (inout Parameters) -> Void = { _ in }) {
        self.init(sql, types, fill) { rows in rows.affectedRows }
    }
}

extension SQL where Outcome == Int64 {
    /// One `int8`.
    init(number sql: String, _ types: [OID] = [], _ fill: (inout Parameters) -> Void = { _ in }) {
        self.init(sql, types, fill) { (rows) throws(PostgresError) in try rows.int64(0, 0) }
    }
}
