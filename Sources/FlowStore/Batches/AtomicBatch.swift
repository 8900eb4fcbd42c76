import FlowModel
import JSON
import Postgres

/// Saves of different flows in one transaction.
///
/// Each attempt finds out where the flows are, makes the states that are made from latest ones, and sends all saves at once, followed by a
/// statement that fails unless every one of them was written, and with it the transaction. Why one was not written, the heads tell
/// afterwards; if they do not, another change came in between, and everything is done again. Flows are locked in the order in which every
/// server locks them (`HeadLock`), so that batches that overlap wait for each other.
struct AtomicBatch: Sendable {
    let saves: [SaveCommand]
    let store: StateStore
    let context: OperationContext

    /// Saves that are prepared at a time: their loads share batches.
    private static let concurrency = 64

    /// A save of an attempt.
    private struct Prepared: Sendable {
        var change: SaveChange
        var head: SaveSQL.Head
        var warnings: [Violation]
    }

    func run() async throws(StateError) -> [SavedVersion] {
        let reserved = context.reservedBytes
        for attempt in 1...ChangeRounds.maximumAttempts {
            if let reason = context.abandonment { throw reason }
            if let replayed = try await replay() { return replayed }
            if let saved = try await once(isFirst: attempt == 1) { return saved }
            context.release(to: reserved)
            // Others that save the same flows get ahead.
            try? await Task.sleep(for: .milliseconds(Int64.random(in: 1...Int64(min(attempt, 20)))))
        }
        throw .contention
    }

    /// The recorded answers, when the batch was saved before.
    private func replay() async throws(StateError) -> [SavedVersion]? {
        var answers: [SavedVersion] = []
        for save in saves {
            guard let key = save.idempotencyKey else { return nil }
            let digest = save.requestDigest ?? []
            guard let saved = try await RecordedSave.find(key, of: save.key.tenant, digest: digest, in: store, for: context) else {
                return nil
            }
            answers.append(saved)
        }
        return answers
    }

    /// - Returns: nil: another change came in between.
    private func once(isFirst: Bool) async throws(StateError) -> [SavedVersion]? {
        let heads = try await heads()
        // Side by side: the longer it takes until they are sent, the more often another change has come in between.
        let results = await concurrently(Array(zip(saves, heads)), width: Self.concurrency) { save, head throws(StateError) in
            try await prepare(save, head, isFirst: isFirst)
        }
        var prepared: [Prepared] = []
        for (place, result) in results.enumerated() {
            let save = saves[place]
            do throws(StateError) {
                prepared.append(try result.get())
            } catch .versionConflict where save.patch != nil && save.precondition.expectedVersion == nil {
                return nil
            } catch {
                throw error.within("saves[\(place)]")
            }
        }
        let operation = AtomicBatchOperation(
            saves: prepared.map { AtomicBatchOperation.Save(change: $0.change, head: $0.head) }, resources: store.resources)
        guard let saved = try await send(operation) else {
            try await explain(prepared)
            return nil
        }
        for save in saves { store.resources.cache.invalidate(save.key) }
        return zip(saved, prepared).map { saved, prepared in
            var saved = saved
            saved.warnings = prepared.warnings
            return saved
        }
    }

    /// - Returns: nil: some save was not written, and so none.
    private func send(_ operation: AtomicBatchOperation) async throws(StateError) -> [SavedVersion]? {
        switch await store.runChange(operation, shard: Shard.of(saves[0].key), for: context) {
        case .success(let saved): return saved
        case .failure(.server(.divisionByZero, _, _, _)): return nil
        case .failure(let error): throw StateError(error)
        }
    }

    // MARK: Before

    /// Where the flows are: the version, and whether it is a tombstone; nil: there is none.
    private func heads() async throws(StateError) -> [AtomicBatchSQL.Place?] {
        var query = Query<[AtomicBatchSQL.Place?]>(
            statement: AtomicBatchSQL.places, parameters: LoadSQL.parameters(check: saves.map(\.key))
        ) { [count = saves.count] rows throws(PostgresError) in
            var places: [AtomicBatchSQL.Place?] = Array(repeating: nil, count: count)
            for row in 0..<rows.count {
                let place = Int(try rows.int32(row, 0)) - 1
                guard places.indices.contains(place) else { continue }
                places[place] = AtomicBatchSQL.Place(version: try rows.int64(row, 1), isDeleted: try rows.bool(row, 2))
            }
            return .success(places)
        }
        query.goesWithOthers()
        return try await store.ask(query, for: context)
    }

    private func prepare(_ save: SaveCommand, _ place: AtomicBatchSQL.Place?, isFirst: Bool) async throws(StateError) -> Prepared {
        var save = save
        if let patch = save.patch {
            let patched = PatchedSave(save: save, patch: patch)
            let snapshot = try await store.snapshot(of: save.key, for: context)
            try save.precondition.check(snapshot)
            let limits = store.limits
            save = try await store.compute([snapshot.state, patch.bytes], context) { budget throws(StateError) in
                try patched.next(after: snapshot, limits, budget)
            }
            save.precondition = .expected(snapshot.version.version)
            let checked = save
            try await store.compute([save.state], context) { _ throws(StateError) in try StateCheck(limits: limits).check(checked) }
        }
        var head = SaveSQL.Head.updateHeld
        if save.revives, let place, place.isDeleted {
            (save.kind, save.precondition, head) = (.created, .expected(0), .revive)
        } else {
            save.revives = false
            if place == nil, save.precondition.mayBeAbsent || save.precondition == .expected(0) { head = .create }
            // It is there: the statement of an update tells so.
            if place != nil, save.precondition == .expected(0) { throw conflict(save, place) }
        }
        let (followed, warnings) = try await validated(save)
        // For the packed state, and the parameters of the statement.
        try context.reserve(2 * followed.state.count + warnings.answerBytes)
        let (resources, isWhole) = (store.resources, !isFirst || head == .create)
        let change = try await store.compute([followed.state], context) { _ throws(StateError) in
            SaveChange(followed, resources, storedWhole: isWhole)
        }
        return Prepared(change: change, head: head, warnings: warnings)
    }

    private func conflict(_ save: SaveCommand, _ place: AtomicBatchSQL.Place?) -> StateError {
        if place?.isDeleted ?? false { return .flowNotFound(flowID: save.key.flowID, deleted: true) }
        return .versionConflict(flowID: save.key.flowID, expected: 0, actual: place?.version ?? 0)
    }

    private func validated(_ save: SaveCommand) async throws(StateError) -> (SaveCommand, [Violation]) {
        if SaveValidation.isNeedless(save, store) { return (save, []) }
        let (store, context) = (store, context.withoutPlace)
        return try await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<(SaveCommand, [Violation]), StateError>, Never>) in
            do throws(StateError) {
                let followed = try SaveValidation(command: save, store: store, context: context).begin { result in
                    continuation.resume(returning: result.map { ($0.command, $0.warnings) })
                }
                if let followed { continuation.resume(returning: .success((followed, []))) }
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }.get()
    }

    // MARK: Afterwards

    /// - Throws: why a save cannot be made, by the head as it is now.
    private func explain(_ prepared: [Prepared]) async throws(StateError) {
        for (place, each) in prepared.enumerated() {
            let command = each.change.command
            let interpreter = command.interpreter(requestDigest: each.change.requestDigest, store.limits)
            let stored = StoredState(codec: .raw, bytes: [])
            var parameters = SaveParameters.single(
                SaveHead(command, base: nil), SaveRow(each.change, stored), labelLimit: store.limits.labels, keyed: false)
            parameters.append(command.checkpoint?.name)
            var query = Query<Answer>(statement: AtomicBatchSQL.explain, parameters: parameters) { rows throws(PostgresError) in
                .success(try interpreter.answer(rows))
            }
            query.goesWithOthers()
            guard case .refused(let error) = try await store.ask(query, for: context) else { continue }
            // A patch without an expected version is made again.
            if case .versionConflict = error, saves[place].precondition.expectedVersion == nil { continue }
            // Another change has revived it.
            if case .flowAlreadyExists = error, each.head == .revive { continue }
            throw error.within("saves[\(place)]")
        }
    }
}

enum AtomicBatchSQL {
    struct Place: Sendable {
        var version: FlowVersion
        var isDeleted: Bool
    }

    /// `$1` their number, then arrays of tenants and flow ids.
    static let places = Statement(
        name: "batch_places",
        sql: """
            SELECT g.i, f.version, f.deleted_at IS NOT NULL FROM generate_series(1, $1) g(i)
            CROSS JOIN LATERAL (SELECT * FROM flowstate.flow f WHERE f.tenant = ($2)[g.i] AND f.flow_id = ($3)[g.i] OFFSET 0) f
            """, parameterTypes: [.int4, .textArray, .textArray])

    /// Fails, so that the transaction is rolled back, unless it has written the heads of all these flows: a transaction that was sent as a
    /// whole can be stopped by an error only. The parameters are those of `places`.
    static let allWritten = Statement(
        name: "batch_all_written",
        sql: """
            SELECT 1 / (CASE WHEN count(*) = $1 THEN 1 ELSE 0 END) FROM generate_series(1, $1) g(i)
            CROSS JOIN LATERAL (SELECT f.xmin FROM flowstate.flow f
                WHERE f.tenant = ($2)[g.i] AND f.flow_id = ($3)[g.i] AND f.xmin = pg_current_xact_id()::xid OFFSET 0) f
            """, parameterTypes: [.int4, .textArray, .textArray])

    /// What the statement of a save answers when it writes nothing (`ChangeSQL`). The name of its checkpoint is the last parameter.
    static let explain = Statement(
        name: "batch_explain", sql: SaveSQL.refusal(checkpoint: "$\(SaveParameters.singleTypes.count + 1)"),
        parameterTypes: SaveParameters.singleTypes + [.text])
}
