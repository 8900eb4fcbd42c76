import Compression
import FlowModel
import Postgres
import Testing

@testable import FlowStore

/// Uploads: parts, the state that they become, and when they are removed.
struct UploadTests {
    private let limits: Limits = {
        var limits = Limits()
        (limits.partBytes, limits.stateBytes, limits.streamedStateBytes) = (10, 100, 1_000)
        return limits
    }()
    private let bytes: ContentType

    init() throws { bytes = try ContentType(parsing: "application/octet-stream", limits: limits) }

    private func some(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255) } }

    // MARK: Pure

    @Test func aReferenceHasTheSizeOfAPart() {
        let reference = StateParts.reference(random: (1, 2), partBytes: 1 << 20)
        #expect(reference.count == 20 && StateParts.partBytes(of: reference) == 1 << 20)
        #expect(StateParts.partBytes(of: []) == nil && StateParts.partBytes(of: Array(reference.dropLast())) == nil)
        #expect(StateParts.partBytes(of: StateParts.reference(random: (1, 2), partBytes: 0)) == nil)
    }

    @Test(arguments: [0, 1, 9, 10, 11, 20, 95], [1, 3, 10, 50])
    func contentIsCutIntoParts(_ size: Int, _ piece: Int) throws {
        let state = some(size)
        let content = try UploadedContent(bytes, partBytes: 10, limits: limits)
        var parts: [[UInt8]] = []
        for start in stride(from: 0, to: size, by: piece) {
            try content.take(Array(state[start..<min(start + piece, size)]))
            while content.hasFullPart { parts.append(content.removePart()) }
        }
        #expect(try content.end() == XXH3.digest(state) && content.size == Int64(size) && content.pendingBytes == size % 10)
        #expect(parts.allSatisfy { $0.count == 10 } && parts.joined() + content.removePart() == state)
    }

    @Test func contentHasALimit() throws {
        let content = try UploadedContent(bytes, partBytes: 10, limits: limits)
        try content.take(some(1_000))
        #expect(throws: StateError.tooLarge(what: "state", size: 1_001, limit: 1_000)) { try content.take([1]) }
    }

    @Test func contentThatIsNotJSONIsRefusedAsSoonAsItCannotBecomeJSON() throws {
        let content = try UploadedContent(.json, partBytes: 10, limits: limits)
        try content.take(Array("{\"a\":".utf8))
        #expect(throws: StateError.self) { try content.take(Array("]".utf8)) }
        let short = try UploadedContent(.json, partBytes: 10, limits: limits)
        try short.take(Array("[".utf8))
        #expect(throws: StateError.self) { try short.end() }
    }

    @Test func aPartIsAsItWas() {
        let zstd = ZstdPool()
        for content in [some(1_000), [UInt8](repeating: 7, count: 1_000), [1]] {
            let part = StatePart(packing: content, zstd)
            #expect(part.content(largest: content.count, zstd) == content)
            #expect(part.content(largest: content.count - 1, zstd) == nil)
        }
    }

    // MARK: With the database

    private func store() async throws -> StateStore {
        StateStore(database: try await StoreCluster.running().database, limits: limits, logger: StoreCluster.logger)
    }

    private func upload(
        _ state: [UInt8], _ store: StateStore, _ key: FlowKey, id: String? = nil, offset: Int64 = 0
    ) async throws -> SavedVersion {
        let upload = try await begin(store, key, id: id, offset: offset)
        if offset < state.count { try await upload.take(Array(state[Int(offset)...])) }
        return try await upload.finish()
    }

    private func begin(_ store: StateStore, _ key: FlowKey, id: String? = nil, offset: Int64 = 0) async throws -> StateUpload {
        let save = SaveCommand(key: key, actor: "a", state: [], contentType: bytes)
        return try await StateUpload(UploadCommand(save: save, uploadID: id, offset: offset), on: store, for: OperationContext())
    }

    private func download(_ store: StateStore, _ key: FlowKey, version: FlowVersion) async throws -> [UInt8] {
        let command = DownloadCommand(load: LoadCommand(key: key, selector: .version(version)))
        var state: [UInt8] = []
        try await StateDownload(command, on: store, for: OperationContext()).run(begin: { _ in }, send: { state += $0 })
        return state
    }

    private func age(_ key: FlowKey) async throws {
        _ = try await StoreCluster.sql(
            "UPDATE flowstate.state_upload SET touched_at = touched_at - interval '2 days' WHERE tenant = $1", [.text],
            { $0.append(key.tenant) }, read: { rows throws(PostgresError) in rows.affectedRows })
    }

    private func parts(_ key: FlowKey) async throws -> Int64 {
        try await StoreCluster.sql(
            "SELECT count(*) FROM flowstate.state_part WHERE tenant = $1", [.text], { $0.append(key.tenant) },
            read: { rows throws(PostgresError) in try rows.int64(0, 0) })
    }

    @Test func versionsThatShareParts() async throws {
        let (store, key, state) = (try await store(), try key(freshTenant(), "f"), some(205))
        _ = try await upload(state, store, key)
        let step = LifecycleRequest(key: key, actor: "a")
        _ = try await store.run(TakeStepCommand(SetStatusCommand(step, status: "busy")))
        #expect(try await download(store, key, version: 2) == state)
        #expect(try await parts(key) == 21)
        // The first of them is removed: the other still has the parts.
        _ = try await StoreCluster.sql(
            "DELETE FROM flowstate.flow_version WHERE tenant = $1 AND version = 1", [.text], { $0.append(key.tenant) },
            read: { rows throws(PostgresError) in rows.affectedRows })
        try await age(key)
        try await store.removeUploads()
        #expect(try await download(store, key, version: 2) == state)
        _ = try await StoreCluster.sql(
            "DELETE FROM flowstate.flow_version WHERE tenant = $1", [.text], { $0.append(key.tenant) },
            read: { rows throws(PostgresError) in rows.affectedRows })
        try await store.removeUploads()
        #expect(try await parts(key) == 0)
    }

    @Test func anUploadThatWasGivenUpIsNotContinued() async throws {
        let (store, key, state) = (try await store(), try key(freshTenant(), "f"), some(205))
        let upload = try await begin(store, key, id: "u")
        try await upload.take(Array(state[..<150]))
        #expect(try await store.run(GetUploadCommand(key: key, uploadID: "u")) == UploadProgress(receivedBytes: 150))
        try await store.removeUploads()
        #expect(try await parts(key) == 15)
        try await age(key)
        try await store.removeUploads()
        #expect(try await parts(key) == 0)
        let gone = StateError.uploadNotFound(flowID: "f", uploadID: "u")
        #expect(await refusal { try await store.run(GetUploadCommand(key: key, uploadID: "u")) } == gone)
        #expect(await refusal { try await self.upload(state, store, key, id: "u", offset: 150) } == gone)
        #expect(await refusal { try await upload.take(Array(state[150...])) } == .uploadContinued(flowID: "f"))
        #expect(try await parts(key) == 0)
    }

    @Test func uploadsThatBeginAtTheSameMoment() async throws {
        let (store, key) = (try await store(), try key(freshTenant(), "f"))
        let states = (0..<20).map { _ in some(205) }
        let errors: [StateError] = await withTaskGroup(of: StateError?.self) { group in
            for state in states {
                group.addTask { await refusal { try await self.upload(state, store, key, id: "u") } }
            }
            return await group.reduce(into: []) { errors, error in if let error { errors.append(error) } }
        }
        #expect(errors.allSatisfy { $0 == .uploadContinued(flowID: "f") }, "\(errors)")
        #expect(errors.count < 20)
        for version in 1...FlowVersion(20 - errors.count) {
            #expect(states.contains(try await download(store, key, version: version)))
        }
    }

    /// Between its last part and its save an upload may be as old as it likes.
    @Test func anUploadThatIsBeingSavedStays() async throws {
        let (store, key, state) = (try await store(), try key(freshTenant(), "f"), some(205))
        _ = try await upload(state, store, key, id: "u")
        try await age(key)
        try await store.removeUploads()
        #expect(try await download(store, key, version: 1) == state)
        // Its save is repeated, which touches it.
        #expect(try await upload(state, store, key, id: "u", offset: 205).version == 2)
        _ = try await StoreCluster.sql(
            "DELETE FROM flowstate.flow_version WHERE tenant = $1", [.text], { $0.append(key.tenant) },
            read: { rows throws(PostgresError) in rows.affectedRows })
        try await store.removeUploads()
        #expect(try await parts(key) == 21)
    }
}
