import FlowModel
import Postgres

/// The statements of a batch of changes, and which result belongs to which change.
final class ChangeBatch: TransactionUnit {
    private enum Sent {
        case groups([SaveGroup], creates: Bool)
        case single(ChangePlan.Single, SingleChange)
        case checkpoints([ChangePlan.Single])
        case conflicts([SaveGroup])
        case fetch([Int])
        /// Locks heads, or prepares what follows; its result is ignored.
        case lock
    }

    private let changes: [Change]
    private let plan: ChangePlan
    /// By index in the batch.
    private var stored: [StoredState?]
    private var sent: [Sent] = []

    init(_ changes: [Change]) {
        self.changes = changes
        changes.first?.resources.follow()
        plan = ChangePlan(changes) { flow in
            changes.first?.resources.cache.lookup(flow.key)?.version
        } needsBase: { change, flow in
            guard case .save(let save) = change.work, save.packed(in: change.resources) == nil else { return false }
            // Otherwise a large state would be stored whole each time that its bases are not in the cache.
            return !change.rounds.hasReadBases && !change.rounds.isAlone && save.command.precondition != .expected(0)
                && save.command.state.count >= change.resources.limits.baseFetchBytes
                && change.resources.cache.lookup(flow.key)?.chain == nil
        }
        stored = Array(repeating: nil, count: changes.count)
    }

    // MARK: Sending

    func enqueue(into pipeline: inout Pipeline) {
        enqueueCreations(into: &pipeline)
        var grouped: [(groups: [SaveGroup], idempotent: Bool)] = []
        for idempotent in [false, true] {
            let some = plan.updates.filter { ($0.idempotencyKey != nil) == idempotent }
            if !some.isEmpty { grouped.append((some, idempotent)) }
        }
        let isHeld =
            grouped.count + plan.singles.count > 1 || !plan.checkpoints.isEmpty
            || plan.singles.contains { !changes[$0.index].locksHeadFirst }
        if isHeld {
            HeadLock.enqueue(plan.changedFlows, into: &pipeline)
            sent.append(.lock)
        }
        for (groups, idempotent) in grouped {
            enqueue(groups, isHeld ? .updateHeld : .update, idempotent: idempotent, into: &pipeline)
        }
        if !plan.conflicts.isEmpty {
            pipeline.execute(LoadSQL.check, LoadSQL.parameters(check: plan.conflicts.map { plan.flows[$0.flow].key }))
            sent.append(.conflicts(plan.conflicts))
        }
        if !plan.checkpoints.isEmpty {
            let commands = plan.checkpoints.compactMap { changes[$0.index].sharedCheckpoint }
            pipeline.execute(CheckpointGroupSQL.statement, CheckpointGroupSQL.parameters(commands))
            sent.append(.checkpoints(plan.checkpoints))
        }
        for single in plan.singles {
            enqueue(single, isHeld ? .held : changes.count == 1 ? .alone : .first, into: &pipeline)
        }
        if !plan.fetches.isEmpty {
            let flows = plan.fetches.map { plan.flows[$0] }
            // A larger state would not be used as a base.
            let largest = flows.map { flow in flow.changes.map { 2 * Int64(changes[$0].stateBytes) }.max() ?? 0 }
            pipeline.execute(LoadSQL.latest, LoadSQL.parameters(latest: flows.map(\.key), largest: largest))
            sent.append(.fetch(plan.fetches))
        }
    }

    /// Statements that create flows come first. Those flows are visible only after the commit, except to other creations, so no change of
    /// existing flows waits for them; and a transaction that creates flows holds no locks yet for which others wait.
    private func enqueueCreations(into pipeline: inout Pipeline) {
        if !plan.creations.isEmpty {
            for makesFlowIDs in [false, true] {
                let some = plan.creations.filter { changes[$0.members[0].index].makesFlowID == makesFlowIDs }
                if some.isEmpty { continue }
                enqueue(some, .create, idempotent: some.contains { $0.idempotencyKey != nil }, into: &pipeline)
            }
        }
        for single in plan.creators { enqueue(single, .creating, into: &pipeline) }
    }

    private func enqueue(_ single: ChangePlan.Single, _ place: SingleChange.Place, into pipeline: inout Pipeline) {
        // The short statement may have to be retried, which in a repetition would put its change behind those that were sent with it.
        let isShort = place == .alone && !pipeline.isRepetition
        let change = self.single(changes[single.index], single, place, isShort: isShort)
        if case .save(let save) = changes[single.index].work, save.command.revives {
            EarlierLife.end(of: save.command.key, into: &pipeline)
            sent.append(.lock)
        }
        pipeline.execute(change.statement, change.parameters)
        sent.append(.single(single, change))
    }

    private func enqueue(
        _ groups: [SaveGroup], _ form: SaveGroupSQL.Form, idempotent: Bool, into pipeline: inout Pipeline
    ) {
        let creates = form == .create
        for group in groups {
            for member in group.members {
                guard case .saved = member.outcome, case .save(let save) = changes[member.index].work else { continue }
                store(save, changes[member.index], at: member.index, isNew: creates)
            }
        }
        var (heads, rows): ([SaveHead], [SaveRow]) = ([], [])
        heads.reserveCapacity(groups.count)
        rows.reserveCapacity(changes.count)
        for group in groups { group.append(to: &heads, &rows, plan.flows[group.flow].key, changes, stored: stored) }
        let rare = rows.contains { $0.save.command.hasRareValues }
        let parameters = SaveParameters.groups(
            heads, rows, idempotent: idempotent, rare: rare, labelLimit: groups.first?.labelLimit ?? 0)
        let sql = SaveGroupSQL(form: form, idempotent: idempotent, chained: groups.contains { $0.count > 1 }, rare: rare)
        pipeline.execute(sql.statement, parameters)
        sent.append(.groups(groups, creates: creates))
    }

    /// Packs a state against the newest committed bases of its flow, unless it is packed already.
    private func store(_ save: SaveChange, _ change: Change, at index: Int, isNew: Bool) {
        // The statement refuses a base that a concurrent pruning removed; the next attempt stores the state whole.
        // So is a flow that begins anew: what is cached of its earlier life may have been removed.
        let isWhole = isNew || change.rounds.attempts > 0 || save.command.revives
        if let packed = save.packed(in: change.resources), packed.base == nil || !isWhole {
            stored[index] = packed
        } else {
            let chain = isWhole ? nil : change.resources.cache.lookup(change.key)?.chain ?? change.rounds.readBases
            stored[index] = StateCompression.store(save.command.state, after: chain, change.resources.zstd)
        }
    }

    private func single(
        _ change: Change, _ single: ChangePlan.Single, _ place: SingleChange.Place, isShort: Bool
    ) -> SingleChange {
        switch change.work {
        case .statement(let statement): return SingleChange(statement, place)
        case .save(let save):
            store(save, change, at: single.index, isNew: place == .creating)
            let state = stored[single.index] ?? StateCompression.storeWhole(save.command.state, change.resources.zstd)
            return SingleChange(
                save, place, stored: state, isShort: isShort && canBeShort(save, change), limits: change.resources.limits)
        }
    }

    private func canBeShort(_ save: SaveChange, _ change: Change) -> Bool {
        let command = save.command
        guard command.idempotencyKey == nil, command.checkpoint == nil, command.writes.isEmpty, !command.hasRareValues,
            command.quarantine == nil,
            command.notification == nil, change.rounds.attempts == 0, !change.rounds.isAlone
        else { return false }
        switch command.precondition {
        case .expected(let version): return version > 0
        case .none, .anyVersion: return change.resources.cache.lookup(change.key) != nil
        case .expectedLabel: return false
        }
    }

    // MARK: Results

    /// Whether every group was written, and every checkpoint that shares a statement. For statements of single changes only decoding can tell.
    func isFinal(_ results: [ResultRows]) -> Bool {
        guard results.count == sent.count else { return false }
        return zip(sent, results).allSatisfy { sent, rows in
            switch sent {
            case .groups(let groups, _): groups.count == rows.count
            case .checkpoints(let some): some.count == rows.count
            case .conflicts(let groups): (try? Self.confirmed(groups, rows).count) == groups.count
            case .lock: true
            case .single, .fetch: false
            }
        }
    }

    /// Changes that the plan defers have no statement, and so no outcome: they run again.
    func decode(_ results: [ResultRows]) {
        guard results.count == sent.count else {
            for change in changes { change.fail(.protocolViolation("\(results.count) results for \(sent.count) statements")) }
            return
        }
        for (sent, rows) in zip(sent, results) {
            switch sent {
            case .single(let single, let statement): decode(single, statement, rows, changes[single.index])
            case .fetch(let flows): decode(flows, rows)
            case .lock: break
            case .checkpoints(let some):
                decoding(some.map(\.index)) { () throws(PostgresError) in try decode(some, rows) }
            case .conflicts(let groups):
                decoding(groups.flatMap(\.members).map(\.index)) { () throws(PostgresError) in try decode(conflicts: groups, rows) }
            case .groups(let groups, let creates):
                decoding(groups.flatMap(\.members).map(\.index)) { () throws(PostgresError) in
                    try decode(groups, creates: creates, rows)
                }
            }
        }
    }

    /// A result that cannot be read concerns the changes of its statement.
    private func decoding(_ indexes: @autoclosure () -> [Int], _ body: () throws(PostgresError) -> Void) {
        do throws(PostgresError) {
            try body()
        } catch {
            for index in indexes() { changes[index].fail(error) }
        }
    }

    private func decode(_ single: ChangePlan.Single, _ sent: SingleChange, _ rows: ResultRows, _ change: Change) {
        let answer: Answer
        do throws(PostgresError) {
            answer = try sent.decode(rows)
        } catch {
            return change.fail(error)
        }
        if case .done(.saved(let saved)) = answer {
            if case .save(let save) = change.work, !saved.replayed, !save.command.revives {
                let row = (save: save, version: saved.version, index: single.index)
                updateCache([row], at: saved.createdAt, change, creates: saved.version == 1)
            } else {
                // Any other change (a restored state, a tombstone, a revived flow) invalidates the cache entry; the next load reads the flow again.
                change.resources.cache.invalidate(change.key)
            }
        }
        change.rounds.ownStatementRan(foundFlow: rows.count > 0 || sent.place != .first && sent.place != .held)
        switch answer {
        case .done(let outcome): change.finish(.success(outcome))
        case .refused(let error): change.finish(.failure(error))
        case .retry: if change.rounds.isExhausted { change.finish(.failure(.contention)) }
        }
    }

    /// Those without a row run by their own statements, which can tell why.
    private func decode(_ checkpoints: [ChangePlan.Single], _ rows: ResultRows) throws(PostgresError) {
        var made: [Int: CheckpointRecord] = [:]
        for row in 0..<rows.count { made[Int(try rows.int32(row, 0)) - 1] = try CheckpointRow.record(rows, row, from: 1) }
        for (place, single) in checkpoints.enumerated() {
            let change = changes[single.index]
            if let record = made[place] {
                change.finish(.success(.checkpoint(record)))
            } else {
                change.rounds.groupWasNotWritten(isNew: false)
            }
        }
    }

    /// Retries the saves with the bases that could be read. A newest version that cannot be read does not prevent the next one from being
    /// stored, whole.
    private func decode(_ flows: [Int], _ rows: ResultRows) {
        var chains: [Int: VersionChain] = [:]
        for row in 0..<rows.count {
            guard let place = try? rows.int32(row, 0), flows.indices.contains(Int(place) - 1) else { continue }
            let change = changes[plan.flows[flows[Int(place) - 1]].changes[0]]
            chains[Int(place) - 1] = try? LoadRow(rows, row, key: change.key).read(change.resources).get().chain
        }
        for (place, flow) in flows.enumerated() {
            for index in plan.flows[flow].changes {
                changes[index].rounds.basesWereRead(chains[place])
            }
        }
    }

    private func decode(_ groups: [SaveGroup], creates: Bool, _ rows: ResultRows) throws(PostgresError) {
        var written: [Int: (version: FlowVersion, at: Timestamp)] = [:]
        for row in 0..<rows.count {
            written[Int(try rows.int32(row, 0)) - 1] = (try rows.int64(row, 1), Timestamp(microseconds: try rows.timestamp(row, 2)))
        }
        for (place, group) in groups.enumerated() {
            guard let (version, time) = written[place] else {
                for member in group.members { changes[member.index].rounds.groupWasNotWritten(isNew: creates) }
                continue
            }
            let before = version - Int64(group.count)
            var saved: [(SaveChange, FlowVersion, Int)] = []
            for member in group.members {
                guard case .save(let save) = changes[member.index].work else { continue }
                changes[member.index].finish(outcome(of: member, save, before: before, at: time))
                if case .saved(let offset) = member.outcome { saved.append((save, before + Int64(offset), member.index)) }
            }
            updateCache(saved, at: time, changes[group.members[0].index], creates: creates)
        }
    }

    /// The places of groups whose heads are where they were known to be.
    private static func confirmed(_ groups: [SaveGroup], _ rows: ResultRows) throws(PostgresError) -> Set<Int> {
        var places: Set<Int> = []
        for row in 0..<rows.count {
            let place = Int(try rows.int32(row, 0)) - 1
            guard groups.indices.contains(place) else { continue }
            if groups[place].start == .present(try rows.int64(row, 1)) { places.insert(place) }
        }
        return places
    }

    /// What loses against another head than the known one, or does not, its own statement tells.
    private func decode(conflicts groups: [SaveGroup], _ rows: ResultRows) throws(PostgresError) {
        let confirmed = try Self.confirmed(groups, rows)
        for (place, group) in groups.enumerated() {
            for member in group.members {
                let change = changes[member.index]
                guard confirmed.contains(place), case .present(let version?) = group.start, case .save(let save) = change.work else {
                    change.rounds.groupWasNotWritten(isNew: false)
                    continue
                }
                change.finish(outcome(of: member, save, before: version, at: Timestamp(microseconds: 0)))
            }
        }
    }

    private func outcome(
        of member: SaveGroup.Member, _ save: SaveChange, before: FlowVersion, at time: Timestamp
    ) -> Result<ChangeOutcome, StateError> {
        let flowID = save.command.key.flowID
        switch member.outcome {
        case .saved(let offset):
            return .success(
                .saved(SavedVersion(flowID: flowID, version: before + Int64(offset), createdAt: time, digest: save.digest)))
        case .conflict(let after):
            let actual = before + Int64(after)
            if save.command.kind == .created { return .failure(.flowAlreadyExists(flowID: flowID, version: actual, deleted: false)) }
            return .failure(
                .versionConflict(flowID: flowID, expected: save.command.precondition.expectedVersion ?? 0, actual: actual))
        }
    }

    /// Caches the newest version that the commit made, for loads and as a base of the next save.
    private func updateCache(
        _ saved: [(save: SaveChange, version: FlowVersion, index: Int)], at time: Timestamp, _ change: Change, creates: Bool
    ) {
        guard let (last, version, _) = saved.last else { return }
        // Looked up now, not when sent: the batch before this one was decoded after this one was sent.
        let old = change.resources.cache.lookup(change.key)
        // If another change came in between, the head is not known.
        let isNext = old?.version == saved[0].version - 1
        var head = creates ? nil : isNext ? old?.head : nil
        var chain = old?.chain ?? change.rounds.readBases
        for (save, version, index) in saved {
            if creates, version == 1 { head = save.newHead(change.key, at: time) }
            head.modify { save.command.apply(to: &$0, version: version, at: time) }
            guard let stored = stored[index] else { continue }
            if stored.codec == .parts {
                chain = nil
            } else if chain == nil {
                chain =
                    stored.base == nil
                    ? VersionChain(
                        version, state: save.command.state, stored: stored, depth: change.resources.patchDepth.current) : nil
            } else {
                chain?.append(version, state: save.command.state, stored: stored)
            }
        }
        // Loads show the names of checkpoints, which this does not know, and look for parts.
        let isShown = last.command.checkpoint == nil && last.command.parts == nil
        let loaded =
            isShown
            ? head.flatMap { head in
                last.record(version, at: time, head: head, after: old).map { record in
                    LoadedState(.snapshot(Snapshot(head: head, version: record, state: last.command.state, isKept: true)), chain: chain)
                }
            } : nil
        change.resources.cache.insert(
            CachedVersion(
                version: version, updatedAt: time, checkpointEpoch: creates ? 0 : old?.checkpointEpoch ?? 0,
                loaded: loaded, chain: chain),
            of: change.key)
    }
}

extension Optional {
    fileprivate mutating func modify(_ body: (inout Wrapped) -> Void) {
        guard var value = self else { return }
        self = nil
        body(&value)
        self = value
    }
}
