import FlowModel
import Postgres

/// Whether a save's state must follow rules, and whether it does.
struct SaveValidation: Sendable {
    private(set) var command: SaveCommand
    let store: StateStore
    let context: OperationContext

    /// The save as it is to be made.
    struct Outcome: Sendable {
        let command: SaveCommand
        var warnings: [StateError.Violation] = []
    }

    typealias Completion = @Sendable (Result<Outcome, StateError>) -> Void

    /// Steps of a flow's life look after themselves, and what restores an earlier state brings it back as it was.
    private var isConcerned: Bool { command.kind == .saved || command.kind == .created }

    /// - Parameter completion: called when this returns nil, on any thread.
    /// - Returns: the save as it is to be made; nil: that takes a while, and `completion` will be told.
    func begin(_ completion: @escaping Completion) throws(StateError) -> SaveCommand? {
        guard store.validatesSaves, isConcerned else { return command }
        let (directory, tenant) = (store.resources.directory, command.key.tenant)
        let answer = directory.answer(tenant, bytes: command.state.count + 512, limits: store.limits) { result in
            completing(completion) { () throws(StateError) in
                if let command = try follow(try result.get(), completion) { completion(.success(Outcome(command: command))) }
            }
        }
        switch answer {
        case .known(let entry): return try follow(entry, completion)
        case .stale(let entry):
            store.readDirectory(of: tenant, knowing: entry)
            return try follow(entry, completion)
        case .waiting(let isFirst):
            if isFirst { store.readDirectory(of: tenant, knowing: nil) }
            return nil
        case .refused(let error): throw StateError(error)
        }
    }

    private func follow(_ entry: DefinitionDirectory.Entry, _ completion: @escaping Completion) throws(StateError) -> SaveCommand? {
        // A flow that this save makes has the type that it names, or none.
        if command.precondition == .expected(0) { return try follow(entry, nil, completion) }
        let known = store.resources.cache.known(command.key)
        // A flow keeps its type, but another server may have moved it to another revision: that makes a version.
        let isCurrent = known.map { command.precondition == .expected($0.version) } ?? false
        if let head = known?.head, isCurrent || !entry.mustKnowFlow(ofType: head.flowType) { return try follow(entry, head, completion) }
        if !entry.mustKnowFlow(ofType: command.flowType ?? known?.head?.flowType) { return try follow(entry, nil, completion) }
        try LoadCommand(key: command.key).submit(to: store, context: context) { result in
            completing(completion) { () throws(StateError) in
                var head: FlowHead?
                // Whatever is wrong with the flow, the save will be told.
                if case .success(.snapshot(let snapshot)) = result { head = snapshot.head }
                if let command = try follow(entry, head, completion) { completion(.success(Outcome(command: command))) }
            }
        }
        return nil
    }

    /// - Parameter head: nil: the save makes the flow, or it does not matter which revision the flow follows.
    private func follow(
        _ entry: DefinitionDirectory.Entry, _ head: FlowHead?, _ completion: @escaping Completion
    ) throws(StateError) -> SaveCommand? {
        guard let flowType = command.flowType ?? head?.flowType, let latest = entry.types[flowType] else { return command }
        if latest.definition != nil, !entry.usesBuiltIn, DefinitionDirectory.builtIn[flowType] != nil {
            store.resources.directory.noteBuiltIn(entry, of: command.key.tenant)
        }
        var pinned = self
        pinned.command.definitionRevision = latest.revision
        let revision = head?.definitionRevision ?? latest.revision
        if revision == latest.revision {
            guard let definition = latest.definition else { return pinned.command }
            pinned.validate(by: definition, completion)
            return nil
        }
        try store.definition(of: flowType, revision: revision, tenant: command.key.tenant, context) { [pinned] found in
            completing(completion) { () throws(StateError) in
                guard let definition = try found.get()?.definition, definition.concernsSaves else {
                    return completion(.success(Outcome(command: pinned.command)))
                }
                pinned.validate(by: definition, completion)
            }
        }
        return nil
    }

    private func validate(by definition: FlowDefinition, _ completion: @escaping Completion) {
        if command.precondition == .expected(0) { return validate(by: definition, from: .absent, completion) }
        guard command.needsCurrentPhase(definition) else { return validate(by: definition, from: .unknown, completion) }
        if command.phase == nil, let head = store.resources.cache.known(command.key)?.head {
            return validate(by: definition, from: .at(head.phase), completion)
        }
        store.submit(LoadCommand(key: command.key), context: context) { result in
            let phase: CurrentPhase =
                switch result {
                case .success(.snapshot(let snapshot)): .at(snapshot.head.phase)
                case .failure(.flowNotFound(_, deleted: false)): .absent
                // Whatever is wrong with the flow, the save will be told.
                default: .unknown
                }
            validate(by: definition, from: phase, completion)
        }
    }

    private func validate(by definition: FlowDefinition, from phase: CurrentPhase, _ completion: @escaping Completion) {
        let (command, limits, counts) = (command, store.limits, store.resources.validationCounts)
        context.compute(definition.validationSize(command.state.count), completion) { () throws(StateError) in
            do throws(StateError) {
                let (next, warnings) = try command.following(
                    definition, from: phase, limits: limits, budget: WorkBudget(steps: limits.work))
                counts.note(warnings, isRefused: false, flowType: definition.flowType, tenant: command.key.tenant)
                return Outcome(command: next, warnings: warnings)
            } catch {
                if case .stateInvalid(let violations) = error {
                    counts.note(violations, isRefused: true, flowType: definition.flowType, tenant: command.key.tenant)
                }
                throw error
            }
        }
    }
}

extension StateStore {
    /// Reads what the directory has to know of a tenant; documents only if there are new ones. For whoever waits for it, so it has nobody's
    /// deadline.
    func readDirectory(of tenant: String, knowing old: DefinitionDirectory.Entry?) {
        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(old?.revisions)
        let types = DefinitionDirectory.builtIn.filter { $0.value.definition != nil }.map(\.key)
        parameters.append(texts: types.count) { types[$0] }
        let resources = resources
        var query = Query<DefinitionDirectory.Entry>(statement: DirectorySQL.statement, parameters: parameters) {
            rows throws(PostgresError) in
            var types = DefinitionDirectory.builtIn
            var (revisions, usesBuiltIn) = (Int64(0), false)
            for row in 0..<rows.count {
                (revisions, usesBuiltIn) = (try rows.int64(row, 0), try rows.bool(row, 1))
                guard try rows.textIfPresent(row, 2) != nil else { continue }
                let record = try DefinitionRow.record(rows, row, from: 2)
                do throws(StateError) {
                    let definition = try resources.definitions.definition(record, tenant: tenant)
                    types[record.flowType] = DefinitionDirectory.Latest(
                        revision: record.revision, definition: definition.concernsSaves ? definition : nil)
                } catch {
                    return .failure(error)
                }
            }
            if let old, revisions == old.revisions { types = old.types }
            return .success(DefinitionDirectory.Entry(types: types, revisions: revisions, usesBuiltIn: usesBuiltIn))
        }
        query.goesWithOthers()
        submit(query, OperationContext()) { resources.directory.finishReading(tenant, $0) }
    }
}

private enum DirectorySQL {
    static let statement = Statement(
        name: "read_directory",
        sql: """
            SELECT n.revisions, EXISTS (SELECT FROM flowstate.flow f WHERE f.tenant = $1 AND f.flow_type = ANY ($3)), \
            \(DefinitionRow.columns)
            FROM (SELECT count(*) AS revisions FROM flowstate.definition WHERE tenant = $1) n
            LEFT JOIN LATERAL (
                SELECT DISTINCT ON (flow_type) * FROM flowstate.definition
                WHERE tenant = $1 AND n.revisions IS DISTINCT FROM $2 ORDER BY flow_type, revision DESC) d ON true
            """,
        parameterTypes: [.text, .int8, .textArray])
}
