import FlowModel
import Postgres

/// One statement with a result of its own.
struct Query<Value: Sendable>: Postgres.Operation {
    typealias Outcome = Result<Value, StateError>
    /// The index of each operation's result.
    typealias Layout = [Int]

    let statement: Statement
    let parameters: Parameters
    /// Long reads do not share a batch.
    private(set) var affinity = BatchAffinity.exclusive
    /// Runs on the connection's thread.
    let read: @Sendable (ResultRows) throws(PostgresError) -> Outcome

    init(statement: Statement, parameters: Parameters, read: @escaping @Sendable (ResultRows) throws(PostgresError) -> Outcome) {
        self.statement = statement
        self.parameters = parameters
        self.read = read
    }

    /// The query is short, so it may share a batch with any other.
    mutating func goesWithOthers() { affinity = .any }

    /// Queries that wait at the same time with the same statement and parameters get one result: that of a statement sent after all of them
    /// were submitted. `read` must not depend on anything else.
    mutating func sharesAnswer() {
        var hasher = Hasher()
        hasher.combine(statement.name)
        hasher.combine(parameters)
        affinity = .identical(UInt64(truncatingIfNeeded: hasher.finalize()))
    }

    /// The same query, whose page has the bytes of its rows.
    func measured<Element>() -> Self where Value == Page<Element> {
        var query = Self(statement: statement, parameters: parameters) { [read] rows throws(PostgresError) in
            try read(rows).map { page in
                var page = page
                page.byteCount = rows.byteCount
                return page
            }
        }
        query.affinity = affinity
        return query
    }

    var cost: Int { parameters.byteCount }

    static func enqueue(_ operations: [Self], into pipeline: inout Pipeline) -> Layout {
        var sent: [Self] = []
        return operations.map { operation in
            if let place = sent.firstIndex(where: { operation.sharesAnswer(of: $0) }) { return place }
            pipeline.execute(operation.statement, operation.parameters)
            sent.append(operation)
            return sent.count - 1
        }
    }

    /// Affinities are hashes, so different requests may have equal ones.
    private func sharesAnswer(of other: Self) -> Bool {
        guard case .identical = affinity, affinity == other.affinity else { return false }
        return statement.name == other.statement.name && parameters == other.parameters
    }

    static func decode(_ results: [ResultRows], of operations: [Self], layout: Layout) -> [Result<Step<Self>, PostgresError>] {
        var answers: [Result<Step<Self>, PostgresError>] = []
        return zip(operations, layout).map { operation, place in
            // Results are in the order of the first operation that uses each.
            if place == answers.count {
                answers.append(
                    Result { () throws(PostgresError) in
                        guard place < results.count else {
                            throw .protocolViolation("\(results.count) results for \(place + 1) statements")
                        }
                        return .finished(try operation.read(results[place]))
                    })
            }
            return answers[place]
        }
    }
}
