import FlowModel
import Testing

@testable import FlowStore
@testable import Postgres

struct QueryTests {
    private func query(_ number: Int64, sharing: Bool = true) -> Query<Int64> {
        var parameters = Parameters()
        parameters.append(number)
        let statement = Statement(name: "number", sql: "SELECT $1", parameterTypes: [.int8])
        var query = Query<Int64>(statement: statement, parameters: parameters) { rows throws(PostgresError) in
            .success(try rows.int64(0, 0))
        }
        if sharing { query.sharesAnswer() }
        return query
    }

    @Test func equalRequestsAreOneStatement() {
        var pipeline = Pipeline()
        #expect(Query.enqueue([query(1), query(2), query(1), query(1)], into: &pipeline) == [0, 1, 0, 0])
        #expect(pipeline.entries.count == 2)
    }

    @Test func whoDoesNotShareHasItsOwn() {
        var pipeline = Pipeline()
        #expect(Query.enqueue([query(1, sharing: false), query(1, sharing: false), query(1)], into: &pipeline) == [0, 1, 2])
        #expect(pipeline.entries.count == 3)
    }

    @Test func aMissingResultIsAnErrorForThoseItBelongsTo() {
        let operations = [query(1), query(1)]
        let steps = Query.decode([], of: operations, layout: [0, 0])
        #expect(steps.count == 2)
        for step in steps {
            if case .failure(.protocolViolation) = step { continue }
            Issue.record("expected a violation of the protocol, got \(step)")
        }
    }

    /// Pages asked for at the same time: each is that of its own filter, and sees what was saved before it was asked for.
    @Test func listsThatShareAnswersAreThoseOfTheirFilters() async throws {
        let store = try await StoreCluster.store()
        let tenant = freshTenant()
        for index in 0..<12 {
            var save = SaveCommand(key: try key(tenant, "f\(index)"), actor: "a", state: json("{}"))
            save.flowType = "type \(index % 3)"
            _ = try await store.run(save)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<200 {
                group.addTask {
                    let type = "type \(index % 4)"
                    var filter = FlowFilter()
                    filter.flowType = type
                    let page = try await store.run(ListFlowsCommand(tenant: tenant, filter: filter, pageSize: 2 + index % 2))
                    #expect(page.elements.count == (index % 4 == 3 ? 0 : 2 + index % 2))
                    #expect(page.elements.allSatisfy { $0.head.flowType == type }, "expected only \(type)")
                }
            }
            try await group.waitForAll()
        }
    }
}
