import FlowModel
import Postgres
import Resources
import Testing

@testable import FlowStore

/// What a caller is told when the database cannot answer, and that a command that breaks a rule never reaches it.
struct FailureTests {
    @Test func withoutADatabaseEverythingIsUnavailable() async throws {
        let database = try Database(
            configuration: Database.Configuration(conninfo: "host=/tmp/flowstate-no-such-directory user=nobody"),
            logger: StoreCluster.logger)
        let store = StateStore(database: database, limits: Limits(), logger: StoreCluster.logger)
        database.start()
        let key = try key("t", "f")
        for error in [
            await refusal { try await store.run(SaveCommand(key: key, actor: "a", state: json("{}"))) },
            await refusal { try await store.run(LoadCommand(key: key)) },
        ] {
            guard case .databaseUnavailable(_, outcomeUnknown: false, _) = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
        await database.shutdown()
        guard case .databaseUnavailable(_, outcomeUnknown: false, _) = await refusal({ try await store.run(LoadCommand(key: key)) })
        else {
            Issue.record("a store that was shut down answered")
            return
        }
    }

    @Test func aSchemaThatIsMissingIsUnavailable() {
        let error = StateError(PostgresError.server(SQLState(rawValue: "42P01"), message: "no table", detail: nil, constraint: nil))
        #expect(error.reason == "DATABASE_UNAVAILABLE")
        let bug = StateError(PostgresError.server(SQLState(rawValue: "22P02"), message: "bad", detail: nil, constraint: nil))
        #expect(bug.reason == "INTERNAL")
        for error in [PostgresError.deadlineExceeded, .cancelled, .overloaded(queued: 2, limit: 1, unit: .bytes), .incompatible("old")] {
            #expect(["DEADLINE_EXCEEDED", "CANCELLED", "OVERLOADED", "DATABASE_UNAVAILABLE"].contains(StateError(error).reason))
        }
    }

    @Test func aPassedDeadlineAndACancelledTaskAreTold() async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        let save = SaveCommand(key: key, actor: "a", state: json("{}"))
        #expect(await refusal { try await store.run(save, deadline: .now - .seconds(1)) } == .deadlineExceeded(outcomeUnknown: false))
        let token = CancellationToken()
        token.cancel()
        let result = await withCheckedContinuation { continuation in
            store.run(save, context: OperationContext(cancellation: token)) { continuation.resume(returning: $0) }
        }
        #expect(result == .failure(.cancelled))
        #expect(await refusal { try await store.snapshot(key) } == .flowNotFound(flowID: "f", deleted: false))
    }

    @Test func brokenRulesAreAnsweredAtOnce() async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        guard
            case .stateInvalid(let violations) = await refusal({
                try await store.run(SaveCommand(key: key, actor: "a", state: json("{")))
            })
        else {
            Issue.record("broken JSON was taken")
            return
        }
        #expect(violations.count == 1 && violations[0].rule == "syntax")
        guard case .invalidArgument(field: "version", _) = await refusal({ try await store.snapshot(key, .version(-1)) }) else {
            Issue.record("a negative version was taken")
            return
        }
    }

    @Test(arguments: ["{}", "{\"a\": \"b\"}", "{\"a\\\"\": \"\\\\\", \"é\": \"\"}"]) func labelsReadWhatPostgreSQLPrints(_ text: String)
        throws
    {
        let labels = try #require(LabelsJSON.decode(text))
        #expect(LabelsJSON.encode(labels).replacing("\":\"", with: "\": \"").replacing("\",\"", with: "\", \"") == text)
    }

    @Test(arguments: ["", "{", "[]", "{\"a\": 1}", "{\"a\": \"b\"", "{\"a\": \"b\"}x", "{\"a\" \"b\"}", "{\"a\": \"\\n\"}"])
    func labelsRefuseAnythingElse(_ text: String) {
        #expect(LabelsJSON.decode(text) == nil)
    }

    @Test func prefixesHaveASuccessor() {
        #expect(ListFlowsQuery.successor(of: "ab") == "ac")
        #expect(ListFlowsQuery.successor(of: "a\u{10FFFF}") == "b")
        #expect(ListFlowsQuery.successor(of: "\u{D7FF}") == "\u{E000}")
        #expect(ListFlowsQuery.successor(of: "\u{10FFFF}") == nil)
        #expect(ListFlowsQuery.successor(of: "\u{7F}") == "\u{80}")
    }
}
