import FlowModel
import Postgres

/// Whether a save's state must follow rules, and whether it does.
struct SaveValidation: Sendable {
    let command: SaveCommand
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

    /// - Parameter completion: not called when no definition has anything to say; else on any thread.
    /// - Returns: whether the save waits for `completion`.
    func begin(_ completion: @escaping Completion) throws(StateError) -> Bool {
        guard store.validatesSaves, isConcerned else { return false }
        let (directory, tenant) = (store.resources.directory, command.key.tenant)
        let answer = directory.answer(tenant, bytes: command.state.count + 512, limits: store.limits) { result in
            completing(completion) { () throws(StateError) in
                if try !validate(by: try result.get(), completion) { completion(.success(Outcome(command: command))) }
            }
        }
        switch answer {
        case .known(let entry): return try validate(by: entry, completion)
        case .stale(let entry):
            store.readDirectory(of: tenant, knowing: entry)
            return try validate(by: entry, completion)
        case .waiting(let isFirst):
            if isFirst { store.readDirectory(of: tenant, knowing: nil) }
            return true
        case .refused(let error): throw StateError(error)
        }
    }

    private func validate(by entry: DefinitionDirectory.Entry, _ completion: @escaping Completion) throws(StateError) -> Bool {
        if let flowType = command.flowType ?? store.resources.cache.known(command.key)?.head?.flowType {
            guard let definition = entry.definitions[flowType] else { return false }
            if !entry.usesBuiltIn, DefinitionDirectory.builtIn[flowType] != nil {
                store.resources.directory.noteBuiltIn(entry, of: command.key.tenant)
            }
            validate(by: definition, completion)
            return true
        }
        // A flow that this save makes has no type.
        if command.precondition == .expected(0) || !entry.hasFlowsOfThese { return false }
        try LoadCommand(key: command.key).submit(to: store, context: context) { result in
            switch result {
            case .success(.snapshot(let snapshot)):
                guard let definition = entry.definitions[snapshot.head.flowType] else {
                    return completion(.success(Outcome(command: command)))
                }
                validate(by: definition, completion)
            // Whatever is wrong with the flow, the save will be told.
            default: completion(.success(Outcome(command: command)))
            }
        }
        return true
    }

    private func validate(by definition: FlowDefinition, _ completion: @escaping Completion) {
        let (command, limits, counts) = (command, store.limits, store.resources.validationCounts)
        context.compute(definition.validationSize(command.state.count), completion) { () throws(StateError) in
            do throws(StateError) {
                let (next, warnings) = try command.following(definition, limits: limits)
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
        let types = Array(DefinitionDirectory.builtIn.keys)
        parameters.append(texts: types.count) { types[$0] }
        let resources = resources
        var query = Query<DefinitionDirectory.Entry>(statement: DirectorySQL.statement, parameters: parameters) {
            rows throws(PostgresError) in
            var definitions = DefinitionDirectory.builtIn
            var (revisions, usesBuiltIn) = (Int64(0), false)
            for row in 0..<rows.count {
                (revisions, usesBuiltIn) = (try rows.int64(row, 0), try rows.bool(row, 1))
                guard try rows.textIfPresent(row, 2) != nil else { continue }
                let record = try DefinitionRow.record(rows, row, from: 2)
                do throws(StateError) {
                    let definition = try resources.definitions.definition(record, tenant: tenant)
                    if definition.concernsSaves { definitions[record.flowType] = definition }
                } catch {
                    return .failure(error)
                }
            }
            if let old, revisions == old.revisions { definitions = old.definitions }
            return .success(DefinitionDirectory.Entry(definitions: definitions, revisions: revisions, usesBuiltIn: usesBuiltIn))
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
