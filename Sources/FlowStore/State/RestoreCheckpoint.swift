import FlowModel
import Postgres

extension RestoreCheckpointCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) { try StateCheck(limits: limits).check(self) }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> SavedVersion {
        let followed: Followed
        do throws(StateError) {
            followed = try await follow(in: store, for: context)
        } catch {
            return try await RecordedSave.find(
                after: error, idempotencyKey, of: key.tenant, digest: requestDigest, in: store, for: context)
        }
        return try await restore(followed, in: store, for: context)
    }

    /// What the flow's definition makes of the checkpoint.
    private struct Followed {
        /// The labels that it takes from the state; nil: it takes none.
        var labels: LabelChanges?
        /// See `FlowDefinition`.
        var limitTable: String?
    }

    /// The checkpoint's state is validated by the flow's current rules: they may be newer than the state.
    private func follow(in store: StateStore, for context: OperationContext) async throws(StateError) -> Followed {
        if store.resources.cache.lookup(key)?.flowType?.isEmpty ?? false { return Followed() }
        // The statement reports what is wrong with the checkpoint.
        var load = LoadCommand(key: key, selector: .checkpoint(checkpoint))
        load.findsParts = true
        guard let snapshot = try? await store.snapshot(load, for: context) else { return Followed() }
        guard let definition = try await store.definition(for: snapshot.head, context)?.definition else { return Followed() }
        if let parts = snapshot.parts {
            if definition.concernsSaves { throw parts.isTooLargeToValidate(limit: store.limits.stateBytes) }
            return Followed(limitTable: definition.limitTable)
        }
        let (isHeld, limits) = (store.validatesSaves && definition.onSave == .enforce, store.limits)
        let labels = try await store.compute([snapshot.state], context) { budget throws(StateError) in
            if isHeld {
                let type = try ContentType(parsing: snapshot.version.contentType, limits: limits)
                let save = SaveCommand(key: key, actor: actor, state: snapshot.state, contentType: type, kind: .restored)
                return try save.following(definition, from: .unknown, limits: limits, budget: budget).command.labelChanges
            }
            return try definition.labelChanges(ofState: snapshot.state, limits: limits, budget: budget)
        }
        return Followed(labels: labels, limitTable: definition.limitTable)
    }

    private var requestDigest: [UInt8] {
        var content = RequestContent(operation: "restore")
        content.append(key.flowID)
        content.append(precondition)
        content.append(checkpoint)
        return content.digest
    }

    private func restore(
        _ followed: Followed, in store: StateStore, for context: OperationContext
    ) async throws(StateError) -> SavedVersion {
        let (requestDigest, labels) = (requestDigest, followed.labels)
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(precondition.expectedVersion)
        parameters.append(checkpoint)
        parameters.append(VersionKind.restored.rawValue)
        parameters.append(actor)
        parameters.append(labels.map(LabelsJSON.encode))
        parameters.append(labels == nil ? nil : Int32(clamping: store.limits.labels))
        parameters.append(followed.limitTable)
        if let idempotencyKey {
            parameters.append(idempotencyKey)
            parameters.append(bytes: requestDigest)
        }
        let (flowID, expected, checkpoint, limits) = (key.flowID, precondition.expectedVersion, checkpoint, store.limits)
        let interpreter = ResultInterpreter(
            flowID: flowID, expected: expected, idempotencyKey: idempotencyKey, requestDigest: requestDigest, needsFlow: true
        ) { flow in
            if flow.isBlocked && !flow.isDeleted { return .checkpointNotFound(flowID: flowID, checkpoint: checkpoint) }
            return ResultInterpreter.commonRefusal(flow, flowID: flowID, expected: expected) ?? ResultInterpreter.labelRefusal(flow, limits)
        }
        let single = Change.SingleStatement(
            statement: idempotencyKey == nil ? Self.plain : Self.idempotent, parameters: parameters
        ) { rows throws(PostgresError) in try interpreter.answer(rows) }
        do throws(StateError) {
            return try await store.make(Change(key, store.resources, .statement(single)), for: context)
        } catch {
            guard error == .contention else { throw error }
            // Its base was missing at each attempt: a load tells whether it is lost for good.
            do throws(StateError) {
                _ = try await store.snapshot(of: key, .checkpoint(checkpoint), for: context)
            } catch .dataLoss(let flowID, let version, let message) {
                throw .dataLoss(flowID: flowID, version: version, message: message)
            } catch {}
            throw error
        }
    }

    static let plain = statement(idempotent: false)
    private static let idempotent = statement(idempotent: true)

    /// Copies the state inside the database, as stored and with its digest: a damaged state is still recognised as damaged. A patch keeps
    /// its base, which the lock keeps from being pruned until the copy is committed. If the base was pruned just before, nothing is
    /// written, and the next attempt finds the state stored anew.
    private static func statement(idempotent: Bool) -> Statement {
        var types: [OID] = [.text, .text, .int8, .text, .int2, .text, .text, .int4, .text]
        let labels = LabelSQL(labels: "f.labels", changes: "$7", limit: "$8")
        var change = ChangeSQL(
            lookups: [
                """
                source AS (SELECT v.* FROM (\(CheckpointRow.named("$4"))) c JOIN \(VersionRow.locked("c.version")) ON true),
                base AS (SELECT v.version FROM source s JOIN \(VersionRow.locked("s.base_version")) ON true)
                """
            ],
            head: """
                UPDATE flowstate.flow f SET version = f.version + 1, phase = s.phase, status = s.status, progress = s.progress,
                    labels = coalesce(\(labels.merged), f.labels),
                    updated_at = greatest(statement_timestamp(), f.updated_at),
                    expires_at = \(ExpirySQL.end("greatest(statement_timestamp(), f.updated_at)", ttl: "f.ttl_ms")),
                    \(DueSQL.looking(up: "$9", phase: "s.phase", status: "s.status").changes)
                FROM source s
                WHERE f.tenant = $1 AND f.flow_id = $2 AND ($3 IS NULL OR f.version = $3) AND f.deleted_at IS NULL
                    AND (s.base_version IS NULL OR EXISTS (SELECT FROM base)) AND \(labels.fits) AND \(HeadLock.isHeld)
                    \(ChangeSQL.guardCondition(idempotent: idempotent))
                RETURNING f.version, f.updated_at
                """,
            version: """
                INSERT INTO flowstate.flow_version (tenant, flow_id, version, parent_version, size, created_at, progress, kind,
                    codec, digest, actor, content_type, phase, status, metadata, base_version, state)
                SELECT $1, $2, h.version, s.version, s.size, h.updated_at, s.progress, $5, s.codec, s.digest, $6, s.content_type,
                    s.phase, s.status, s.metadata, s.base_version, s.state
                FROM head h, source s
                """,
            digest: "s.digest")
        change.restoredVersion = "s.version"
        change.labels = labels
        change.blocked = "NOT EXISTS (SELECT FROM source)"
        change.source = "head h, source s"
        if idempotent {
            change.keyParameter = types.count + 1
            types += [.text, .bytea]
        }
        return Statement(
            name: idempotent ? "restore_checkpoint_idempotent" : "restore_checkpoint", sql: change.text, parameterTypes: types)
    }
}
