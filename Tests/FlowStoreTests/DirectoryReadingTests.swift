import FlowModel
import JSON
import Postgres
import Testing

@testable import FlowStore

/// A server that knows a tenant's definitions is told what was put since, and everything when what it knows is no part of what is there. One
/// after the other: what is changed by hand is noticed in every tenant.
@Suite(.serialized) struct DirectoryReadingTests {
    /// What a server knows, and how many types it was told of.
    private struct Answer {
        var entry: DefinitionDirectory.Entry
        var told: Int
        var types: [Name: Int64] { entry.types.filter { DefinitionDirectory.builtIn[$0.key] == nil }.mapValues(\.revision) }
    }

    private func read(_ tenant: String, after known: DefinitionDirectory.Entry? = nil) async throws -> Answer {
        let query = StateStore.directoryQuery(of: tenant, known: known, begun: .now)
        let counting = Query<Answer>(statement: query.statement, parameters: query.parameters) { rows throws(PostgresError) in
            var told = 0
            for row in 0..<rows.count where try rows.textIfPresent(row, 5) != nil { told += 1 }
            return try query.read(rows).map { Answer(entry: $0, told: told) }
        }
        return try await StoreCluster.running().database.reader.run(counting).get()
    }

    private func run(_ sql: String, _ tenant: String) async throws {
        _ = try await StoreCluster.sql(sql, [.text], { $0.append(tenant) }, read: { rows throws(PostgresError) in rows.affectedRows })
    }

    private static let insertion = """
        INSERT INTO flowstate.definition (tenant, flow_type, revision, document, actor, created_at)
        SELECT $1, 't' || i, 1, convert_to('{"flow_type": "t' || i || '"}', 'UTF8'), 'a', now() FROM generate_series(1, 30) i
        """

    private func put(_ tenant: String, _ flowType: String, _ text: String = "") async throws {
        let document = json(#"{"flow_type": "\#(flowType)", "description": "\#(text)"}"#)
        _ = try await StoreCluster.store().run(PutDefinitionCommand(tenant: tenant, actor: "a", document: document))
    }

    @Test func whatWasPutSinceIsTold() async throws {
        let tenant = freshTenant()
        let none = try await read(tenant)
        #expect(none.types.isEmpty && none.entry.change == nil)
        // As a server of the release before puts them.
        try await run(Self.insertion, tenant)
        let all = try await read(tenant, after: none.entry)
        #expect(all.told == 30 && all.types.count == 30)
        let same = try await read(tenant, after: all.entry)
        #expect(same.told == 0 && same.types == all.types)
        for text in ["two", "three"] { try await put(tenant, "t5", text) }
        try await put(tenant, "new")
        let next = try await read(tenant, after: same.entry)
        #expect(next.told == 2 && next.types.count == 31 && next.types[Name("t5")] == 3 && next.types[Name("new")] == 1)
        #expect(try await read(tenant).types == next.types)
        try await put(tenant, "new")
        #expect(try await read(tenant, after: next.entry).told == 0, "the document was there already")
    }

    /// A restored backup gives numbers to other changes.
    @Test func whatIsNoPartOfTheHistoryIsReadAnew() async throws {
        let tenant = freshTenant()
        try await run(Self.insertion, tenant)
        let known = try await read(tenant).entry
        let change = try #require(known.change)
        try await put(tenant, "new")
        for other in [
            DirectoryChange(token: "00000000-0000-0000-0000-000000000000", epoch: change.epoch, number: change.number),
            DirectoryChange(token: change.token, epoch: "00000000-0000-0000-0000-000000000000", number: change.number),
            DirectoryChange(token: change.token, epoch: change.epoch, number: change.number - 1),
            DirectoryChange(token: change.token, epoch: change.epoch, number: change.number + 1_000),
        ] {
            let entry = DefinitionDirectory.Entry(
                types: [Name("gone"): .stored(DefinitionReference(tenant: tenant, flowType: "gone", revision: 1, digest: []))],
                change: other, usesBuiltIn: false, time: .now)
            let answer = try await read(tenant, after: entry)
            #expect(answer.told == 31 && answer.types.count == 31 && answer.types[Name("gone")] == nil)
        }
    }

    @Test(arguments: [
        ("UPDATE flowstate.definition SET document = 'x' WHERE tenant = $1 AND flow_type = 't1'", 30),
        ("DELETE FROM flowstate.definition WHERE tenant = $1 AND flow_type = 't1'", 29),
        ("DELETE FROM flowstate.definition WHERE tenant = $1", 0),
    ]) func whatIsChangedByHandIsNoticed(sql: String, left: Int) async throws {
        let tenant = freshTenant()
        try await run(Self.insertion, tenant)
        let known = try await read(tenant).entry
        try await run(sql, tenant)
        let changed = try await read(tenant, after: known)
        #expect(changed.told == left && changed.types.count == left)
        try await put(tenant, "t1", "again")
        let next = try await read(tenant, after: changed.entry)
        #expect(next.types.count == max(left, 30) - (left == 0 ? 29 : 0) && next.types[Name("t1")] == (left == 30 ? 2 : 1))
        let types = try await StoreCluster.sql(
            "SELECT types FROM flowstate.definition_change WHERE tenant = $1", [.text], { $0.append(tenant) },
            read: { rows throws(PostgresError) in try rows.int64(0, 0) })
        #expect(types == Int64(next.types.count))
    }
}
