import FlowModel
import JSON
import Postgres

/// Identifies a definition by its content. Its type and revision are not enough: behind the next connection may be a restored backup, which
/// gives the same number to another document.
struct DefinitionReference: Sendable, Equatable {
    var tenant: String
    var flowType: String
    var revision: Int64
    /// SHA-256 of the document, by PostgreSQL (`definition.digest`).
    var digest: [UInt8]
}

extension DefinitionReference {
    /// - Parameter revision: nil: the latest.
    /// - Returns: the reference; nil: there is no such definition.
    static func query(tenant: String, flowType: String, revision: Int64?) -> Query<DefinitionReference?> {
        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(flowType)
        parameters.append(revision)
        var query = Query<DefinitionReference?>(statement: find, parameters: parameters) { rows throws(PostgresError) in
            guard rows.count > 0 else { return .success(nil) }
            return .success(
                DefinitionReference(
                    tenant: tenant, flowType: flowType, revision: try rows.int64(0, 0), digest: try rows.bytes(0, 1)))
        }
        query.goesWithOthers()
        return query
    }

    var documentQuery: Query<[UInt8]> {
        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(flowType)
        parameters.append(revision)
        parameters.append(bytes: digest)
        let (flowType, revision) = (flowType, revision)
        var query = Query<[UInt8]>(statement: Self.document, parameters: parameters) { rows throws(PostgresError) in
            guard rows.count > 0 else {
                let message = "revision \(revision) of the definition of \"\(flowType)\" was replaced meanwhile"
                return .failure(.databaseUnavailable(message: message, outcomeUnknown: false, retryAfterMilliseconds: 100))
            }
            return .success(try rows.bytes(0, 0))
        }
        query.goesWithOthers()
        return query
    }

    private static let find = Statement(
        name: "find_definition",
        sql: """
            SELECT d.revision, d.digest FROM flowstate.definition d
            WHERE d.tenant = $1 AND d.flow_type = $2 AND ($3 IS NULL OR d.revision = $3)
            ORDER BY d.revision DESC LIMIT 1
            """,
        parameterTypes: [.text, .text, .int8])

    private static let document = Statement(
        name: "definition_document",
        sql: """
            SELECT d.document FROM flowstate.definition d
            WHERE d.tenant = $1 AND d.flow_type = $2 AND d.revision = $3 AND d.digest = $4
            """,
        parameterTypes: [.text, .text, .int8, .bytea])
}

/// The result of reading a stored document.
struct StoredDefinition: Sendable {
    let definition: Result<FlowDefinition, StateError>
    /// Whether the result is about the document, rather than about this attempt to read it.
    let isLasting: Bool

    /// Another server accepted the document, perhaps of another release or with larger limits: here only the work of reading it is bounded.
    init(reading document: [UInt8], _ reference: DefinitionReference, limits: Limits, isStopping: @escaping @Sendable () -> Bool) {
        let budget = WorkBudget(steps: Self.steps(limits)) { isStopping() ? .stopping : nil }
        do {
            definition = .success(try DefinitionReader.read(stored: document, limits: limits, budget: budget))
            isLasting = true
        } catch {
            let name = "revision \(reference.revision) of the definition of \"\(reference.flowType)\""
            definition = .failure(.internalFault("\(name) cannot be read: \(error)"))
            isLasting = !isStopping()
        }
    }

    private static func steps(_ limits: Limits) -> Int { 4 * max(limits.work, Limits.defaults.work) }
}

extension BuiltInDefinitions {
    private static let definitions: [FlowDefinition] = records.compactMap { record in
        try? DefinitionReader.read(stored: record.document, limits: .defaults, budget: WorkBudget(steps: Limits.defaults.work))
    }

    /// A built-in definition, read; nil: the type is not built in.
    static func definition(_ flowType: String) -> FlowDefinition? { definitions.first { $0.flowType.hasSameBytes(as: flowType) } }

    /// The types whose definitions validate saves.
    static let concerningSaves = definitions.filter { $0.onSave != .off }.map(\.flowType)
}
