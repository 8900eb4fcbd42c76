import FlowModel
import Synchronization

/// Definitions that were read from their documents. A revision never changes, so what is kept stays right. Safe on any thread.
final class DefinitionCache: Sendable {
    private struct Key: Hashable {
        let tenant: String
        let flowType: String
        let revision: Int64
    }

    private let limits: Limits
    private let kept: Mutex<LRUCache<Key, FlowDefinition>>

    /// By the bytes of their documents, and what schemas take beside them.
    init(limits: Limits) {
        self.limits = limits
        kept = Mutex(LRUCache(capacity: 4 * limits.definitionBytes))
    }

    /// A revision that was read before.
    func known(_ flowType: String, _ revision: Int64, tenant: String) -> FlowDefinition? {
        let isBuiltIn = BuiltInDefinitions.isBuiltIn(flowType)
        let key = Key(tenant: isBuiltIn ? "" : tenant, flowType: flowType, revision: revision)
        return kept.withLock { $0.value(key) }
    }

    /// - Throws: `internalFault` for a document that was stored and is none: it was checked when it was put.
    func definition(_ record: DefinitionRecord, tenant: String) throws(StateError) -> FlowDefinition {
        let key = Key(tenant: record.isBuiltIn ? "" : tenant, flowType: record.flowType, revision: record.revision)
        if let definition = kept.withLock({ $0.value(key) }) { return definition }
        do throws(StateError) {
            let definition = try DefinitionReader.read(stored: record.document, limits: limits, budget: WorkBudget(steps: limits.work))
            let cost = definition.memory
            // The largest take a quarter each: reading them again for every save would cost more than they do.
            kept.withLock { $0.insert(definition, cost: min(cost, limits.definitionBytes), for: key) }
            return definition
        } catch {
            guard case .definitionInvalid(let faults) = error else { throw error }
            let list = faults.map(\.description).joined(separator: "; ")
            throw .internalFault("revision \(record.revision) of the definition of \"\(record.flowType)\" cannot be read: \(list)")
        }
    }
}
