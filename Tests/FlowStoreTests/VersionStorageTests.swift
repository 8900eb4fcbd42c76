import FlowModel
import Postgres
import TestSupport
import Testing

@testable import FlowStore

/// States that are stored against each other: every version of a flow reads as it was saved, by whatever name, whatever was removed.
struct VersionStorageTests {
    private static let words = ["agent", "answer", "balance", "cancel", "customer", "deliver", "invoice", "ledger", "message", "order"]

    /// A conversation that grows by one message a turn.
    private func conversation(_ turns: Int, _ random: inout SeededGenerator) -> [[UInt8]] {
        var messages: [String] = []
        return (0..<turns).map { turn in
            let words = (0..<40).map { _ in Self.words[Int.random(in: 0..<10, using: &random)] }
            messages.append("{\"id\":\(turn),\"text\":\"\(words.joined(separator: " "))\"}")
            return json("{\"turn\":\(turn),\"messages\":[\(messages.joined(separator: ","))]}")
        }
    }

    private func converse(_ store: StateStore, _ key: FlowKey, _ turns: Int) async throws -> [[UInt8]] {
        var random = SeededGenerator(seed: 11)
        let states = conversation(turns, &random)
        for (turn, state) in states.enumerated() {
            var save = SaveCommand(key: key, actor: "a", state: state)
            save.versionLabel = "turn \(turn)"
            if turn % 10 == 3 { save.checkpoint = CheckpointRequest(id: IDGenerator.next(), name: "after \(turn)") }
            _ = try await store.run(save)
        }
        return states
    }

    /// A server that knows nothing of what was saved.
    private func stranger() async throws -> StateStore {
        StateStore(database: try await StoreCluster.running().database, limits: .defaults, logger: StoreCluster.logger)
    }

    private func number(_ sql: String, _ tenant: String) async throws -> Int64 {
        try await StoreCluster.sql(sql, [.text], { $0.append(tenant) }, read: { rows throws(PostgresError) in try rows.int64(0, 0) })
    }

    @Test func everyVersionIsFoundByEveryName() async throws {
        let tenant = freshTenant()
        let key = try key(tenant, "f")
        let states = try await converse(try await StoreCluster.store(), key, 120)
        let stored = try await number("SELECT sum(octet_length(state))::int8 FROM flowstate.flow_version WHERE tenant = $1", tenant)
        let raw = states.reduce(0) { $0 + $1.count }
        #expect(stored < raw / 20, "\(stored) bytes for \(raw)")
        #expect(try await number("SELECT count(*) FROM flowstate.flow_version WHERE tenant = $1 AND codec = 2", tenant) > 90)
        let store = try await stranger()
        for (turn, state) in states.enumerated() {
            let snapshot = try await store.snapshot(key, .version(FlowVersion(turn + 1)))
            #expect(snapshot.state == state, "version \(turn + 1)")
            #expect(try await store.snapshot(key, .label("turn \(turn)")).state == state)
            #expect(try await store.snapshot(key, .time(snapshot.version.createdAt)).version.version >= FlowVersion(turn + 1))
            if turn % 10 == 3 {
                #expect(try await store.snapshot(key, .checkpoint("after \(turn)")).state == state)
                #expect(snapshot.version.checkpoints == ["after \(turn)"])
            }
        }
        #expect(try await store.snapshot(key).state == states.last)
    }

    /// What a server knows of a version's base is not believed when it leads nowhere.
    @Test func aBaseThatBecameAnotherIsReadAgain() async throws {
        let key = try key(freshTenant(), "f")
        let states = try await converse(try await StoreCluster.store(), key, 12)
        let store = try await stranger()
        #expect(try await store.snapshot(key, .version(5)).state == states[4])
        let known = store.resources.cache.bases(of: key)
        #expect(!known.isEmpty, "version 5 is stored as a patch")
        for (version, state) in known { store.resources.cache.insert(base: state.reversed(), version, of: key) }
        #expect(try await store.snapshot(key, .version(5)).state == states[4])
        for (version, state) in store.resources.cache.bases(of: key) { #expect(state == states[Int(version) - 1]) }
    }

    /// A server that has lost what a large state is stored against reads it first.
    @Test func aStrangerStoresPatchesToo() async throws {
        let tenant = freshTenant()
        let key = try key(tenant, "f")
        var random = SeededGenerator(seed: 12)
        let states = conversation(80, &random)
        for state in states { _ = try await stranger().run(SaveCommand(key: key, actor: "a", state: state)) }
        let small = states.filter { $0.count < Limits().baseFetchBytes }.count
        #expect(try await number("SELECT count(*) FROM flowstate.flow_version WHERE tenant = $1 AND codec = 2", tenant) > 65 - small)
        for (turn, state) in states.enumerated() {
            #expect(try await stranger().snapshot(key, .version(FlowVersion(turn + 1))).state == state)
        }
    }

    /// `versionCacheBytes` and `baseFetchBytes` at their ends: nothing is kept, everything is read first, or nothing is.
    @Test(arguments: [0, Int.max]) func withoutACacheStatesAreTheSame(_ baseFetchBytes: Int) async throws {
        let tenant = freshTenant()
        let key = try key(tenant, "f")
        var limits = Limits()
        limits.versionCacheBytes = 0
        limits.baseFetchBytes = baseFetchBytes
        let store = StateStore(database: try await StoreCluster.running().database, limits: limits, logger: StoreCluster.logger)
        let states = try await converse(store, key, 30)
        let patches = try await number("SELECT count(*) FROM flowstate.flow_version WHERE tenant = $1 AND codec = 2", tenant)
        #expect(baseFetchBytes == 0 ? patches > 20 : patches == 0, "\(patches)")
        #expect(store.resources.cache.byteCount == 0)
        for (turn, state) in states.enumerated() {
            #expect(try await store.snapshot(key, .version(FlowVersion(turn + 1))).state == state)
        }
    }

    @Test func aRestoredPatchKeepsItsBase() async throws {
        let key = try key(freshTenant(), "f")
        let store = try await StoreCluster.store()
        let states = try await converse(store, key, 20)
        let restored = try await store.run(RestoreCheckpointCommand(key: key, actor: "a", checkpoint: "after 13"))
        #expect(restored.version == 21 && restored.restoredVersion == 14)
        #expect(try await store.snapshot(key).state == states[13])
        _ = try await store.run(SaveCommand(key: key, actor: "a", state: states[13] + json(" ")))
        #expect(try await stranger().snapshot(key).state == states[13] + json(" "))
    }

    @Test func aDamagedBaseIsALossOfTheVersionsAboveIt() async throws {
        let tenant = freshTenant()
        let key = try key(tenant, "f")
        let states = try await converse(try await StoreCluster.store(), key, 6)
        _ = try await StoreCluster.sql(
            """
            UPDATE flowstate.flow_version SET state = set_byte(state, octet_length(state) / 2, 255 - get_byte(state, octet_length(state) / 2))
            WHERE tenant = $1 AND version = 1
            """, [.text], { $0.append(tenant) }, read: { rows throws(PostgresError) in rows.affectedRows })
        let base = try await number("SELECT count(*) FROM flowstate.flow_version WHERE tenant = $1 AND base_version = 1", tenant)
        #expect(base > 0)
        let store = try await stranger()
        for version in FlowVersion(1)...6 {
            do {
                #expect(try await store.snapshot(key, .version(version)).state == states[Int(version) - 1])
            } catch StateError.dataLoss(let flowID, let lost, _) {
                #expect(flowID == "f" && lost == version, "the version that was asked for")
            }
        }
        guard case .dataLoss(_, version: 1, _) = await refusal({ try await store.snapshot(key, .version(1)) }) else {
            Issue.record("version 1 was served")
            return
        }
        // A flow whose newest version cannot be read can still be saved.
        _ = try await stranger().run(SaveCommand(key: key, actor: "a", state: json("{\"new\":1}")))
        #expect(try await stranger().snapshot(key).state == json("{\"new\":1}"))
    }

    /// Behind a new connection there may be a server that took over without the last commits.
    @Test func aPatchRefersToNothingThatALostConnectionKnew() async throws {
        let tenant = freshTenant()
        let key = try key(tenant, "f")
        var configuration = Database.Configuration(conninfo: try await StoreCluster.running().conninfo)
        configuration.settings = StoreSchema.sessionSettings
        configuration.applicationName = "taken over"
        let database = try Database(configuration: configuration, logger: StoreCluster.logger)
        database.start()
        _ = await database.waitUntilAvailable()
        let store = StateStore(database: database, limits: .defaults, logger: StoreCluster.logger)
        let states = try await converse(store, key, 3)
        let losses = database.connectionLosses
        for sql in [
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'taken over' AND $1 <> ''",
            "WITH gone AS (DELETE FROM flowstate.flow_version WHERE tenant = $1 AND version = 3 RETURNING 1) SELECT count(*) FROM gone",
            """
            WITH head AS (UPDATE flowstate.flow SET version = 2 WHERE tenant = $1 RETURNING 1) SELECT count(*) FROM head
            """,
        ] { _ = try await number(sql, tenant) }
        while database.connectionLosses < losses + 2 { await Task.yield() }
        _ = await database.waitUntilAvailable()
        let next = states[2] + json(" ")
        #expect(try await store.run(SaveCommand(key: key, actor: "a", state: next)).version == 3)
        #expect(try await stranger().snapshot(key).state == next)
        await database.shutdown()
    }

    // MARK: Pruning

    @Test func whatStaysReadsAsBefore() async throws {
        let tenant = freshTenant()
        let key = try key(tenant, "f")
        let store = try await StoreCluster.store()
        var states = try await converse(store, key, 60)
        #expect(try await store.pruneVersions(of: key, below: 41, actor: "a").versions == 36, "40 below, 4 with checkpoints")
        states.append(json("{\"after\":true}"))
        _ = try await store.run(SaveCommand(key: key, actor: "a", state: json("{\"after\":true}")))
        for reader in [store, try await stranger()] {
            for (turn, state) in states.enumerated() {
                let version = FlowVersion(turn + 1)
                if version >= 41 || turn % 10 == 3 {
                    #expect(try await reader.snapshot(key, .version(version)).state == state, "version \(version)")
                } else {
                    #expect(
                        await refusal { try await reader.snapshot(key, .version(version)) }
                            == .versionNotFound(flowID: "f", selector: "version \(version)"))
                }
            }
        }
        let lost = """
            SELECT count(*) FROM flowstate.flow_version v WHERE v.tenant = $1 AND v.base_version IS NOT NULL AND NOT EXISTS (SELECT
                FROM flowstate.flow_version b WHERE b.tenant = v.tenant AND b.flow_id = v.flow_id AND b.version = v.base_version)
            """
        #expect(try await number(lost, tenant) == 0)
        let events = try await number("SELECT count(*) FROM flowstate.flow_event WHERE tenant = $1 AND kind = 'versions_pruned'", tenant)
        #expect(events == 1)
        #expect(try await store.pruneVersions(of: key, below: 41, actor: "a").versions == 0)
        #expect(try await store.pruneVersions(of: key, below: .max, actor: "a").versions > 0, "never the newest")
        #expect(try await store.snapshot(key).state == states.last)
        let absent = try FlowKey(tenant: tenant, flowID: "absent", limits: .defaults)
        #expect(
            await refusal { try await store.pruneVersions(of: absent, below: 2, actor: "a") }
                == .flowNotFound(flowID: "absent", deleted: false))
    }

    /// Servers that save, checkpoint and restore a flow while another prunes it.
    @Test func pruningBesideChangesLosesNothing() async throws {
        let tenant = freshTenant()
        let key = try key(tenant, "f")
        let stores = [Server(store: try await StoreCluster.store(), database: nil), try await otherServer()]
        _ = try await converse(stores[0].store, key, 30)
        let kept = try await withThrowingTaskGroup(of: [FlowVersion: [UInt8]].self) { group in
            for (writer, server) in stores.enumerated() {
                group.addTask {
                    var random = SeededGenerator(seed: UInt64(writer + 1))
                    var state = try await server.store.snapshot(key).state
                    var saved: [FlowVersion: [UInt8]] = [:]
                    for step in 0..<60 {
                        state += Self.words[Int.random(in: 0..<10, using: &random)].utf8
                        let content = try ContentType(parsing: "text/plain", limits: .defaults)
                        let version = try await server.store.run(SaveCommand(key: key, actor: "a", state: state, contentType: content))
                            .version
                        saved[version] = state
                        if step % 7 == 0 {
                            let checkpoint = CheckpointRequest(id: IDGenerator.next(), name: "\(writer) \(step)")
                            // Pruned in between: refused, and that is all.
                            _ = await refusal {
                                try await server.store.run(
                                    CreateCheckpointCommand(key: key, actor: "a", checkpoint: checkpoint, version: version))
                            }
                        }
                    }
                    return saved
                }
            }
            group.addTask {
                for _ in 0..<12 {
                    let newest = try await stores[0].store.snapshot(key).version.version
                    _ = try await stores[0].store.pruneVersions(of: key, below: newest - 3, actor: "pruner")
                }
                return [:]
            }
            return try await group.reduce(into: [:]) { $0.merge($1) { first, _ in first } }
        }
        let store = try await stranger()
        var left = 0
        for (version, state) in kept {
            do {
                #expect(try await store.snapshot(key, .version(version)).state == state, "version \(version)")
                left += 1
            } catch StateError.versionNotFound {}
        }
        #expect(left >= 4, "the newest ones at least")
        for checkpoint in try await store.run(ListCheckpointsCommand(key: key, pageSize: 1_000)).elements {
            _ = try await store.snapshot(key, .checkpoint(checkpoint.id))
        }
        await stores[1].database?.shutdown()
    }

    private struct Server: Sendable {
        let store: StateStore
        let database: Database?
    }

    private func otherServer() async throws -> Server {
        let database = try await StoreCluster.open(try await StoreCluster.running().conninfo)
        return Server(store: StateStore(database: database, limits: .defaults, logger: StoreCluster.logger), database: database)
    }
}
