import FlowModel
import Synchronization

/// Which flow types of a tenant have definitions that concern saves, as far as this server knows: at most `maximumAge` old, and at once what
/// was put here. A save asks it, so asking costs a look-up. Safe on any thread.
final class DefinitionDirectory: Sendable {
    /// What is known of a tenant. A class: it is handed to every save.
    final class Entry: Sendable {
        /// By type; only those that have something to say about saves.
        let definitions: [String: FlowDefinition]
        /// Revisions that the tenant has put, of all types: if there are no more, nothing has changed.
        let revisions: Int64
        /// Whether the tenant has flows of a built-in type among these.
        let usesBuiltIn: Bool
        let time: ContinuousClock.Instant

        init(definitions: [String: FlowDefinition], revisions: Int64, usesBuiltIn: Bool, time: ContinuousClock.Instant = .now) {
            self.definitions = definitions
            self.revisions = revisions
            self.usesBuiltIn = usesBuiltIn
            self.time = time
        }

        /// Whether a flow whose type is not known could be of one of these.
        var hasFlowsOfThese: Bool { usesBuiltIn || definitions.count > DefinitionDirectory.builtIn.count }
    }

    /// How long another server's definitions may go unnoticed.
    static let maximumAge = Duration.seconds(1)
    private static let maximumTenants = 10_000

    /// Built-in definitions that concern saves.
    static let builtIn: [String: FlowDefinition] = {
        var definitions: [String: FlowDefinition] = [:]
        for record in BuiltInDefinitions.records {
            guard let definition = try? DefinitionReader.read(record.document, limits: Limits()), definition.onSave != .off else {
                continue
            }
            definitions[record.flowType] = definition
        }
        return definitions
    }()

    private struct Tenant {
        var entry: Entry?
        var isBeingRead = false
    }

    private let tenants = Mutex(LRUCache<String, Tenant>(capacity: maximumTenants))

    enum Answer {
        case known(Entry)
        /// As known, but somebody should read it again; asked once.
        case stale(Entry)
        case unknown
    }

    func answer(_ tenant: String) -> Answer {
        tenants.withLock { tenants in
            guard var known = tenants.value(tenant), let entry = known.entry else { return .unknown }
            if known.isBeingRead || entry.time.advanced(by: Self.maximumAge) > .now { return .known(entry) }
            known.isBeingRead = true
            tenants.insert(known, cost: 1, for: tenant)
            return .stale(entry)
        }
    }

    func learn(_ entry: Entry, of tenant: String) {
        tenants.withLock { $0.insert(Tenant(entry: entry), cost: 1, for: tenant) }
    }

    /// Something was put here that changes what is known, or it could not be read.
    func forget(_ tenant: String) { tenants.withLock { $0.remove(tenant) } }
}
