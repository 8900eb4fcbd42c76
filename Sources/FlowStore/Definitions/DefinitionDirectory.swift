import FlowModel
import Postgres
import Synchronization

/// Which definitions a tenant's flow types have, as far as this server knows: at most `maximumAge` old, and at once what
/// was put here. A save asks it, so asking costs a look-up. Safe on any thread.
final class DefinitionDirectory: Sendable {
    /// The latest revision of a definition.
    struct Latest: Sendable {
        let revision: Int64
        /// nil: it has nothing to say about saves.
        let definition: FlowDefinition?
    }

    /// What is known of a tenant. A class: it is handed to every save.
    final class Entry: Sendable {
        /// By type.
        let types: [String: Latest]
        /// Revisions that the tenant has put, of all types: if there are no more, nothing has changed.
        let revisions: Int64
        /// Whether the tenant has flows of a built-in type among these.
        let usesBuiltIn: Bool
        let time: ContinuousClock.Instant

        /// Whether a flow whose type is not known could be of a type whose definition concerns saves, or did in an earlier revision.
        private let mayConcernUnknown: Bool

        init(types: [String: Latest], revisions: Int64, usesBuiltIn: Bool, time: ContinuousClock.Instant = .now) {
            self.types = types
            self.revisions = revisions
            self.usesBuiltIn = usesBuiltIn
            self.time = time
            mayConcernUnknown =
                usesBuiltIn
                || types.contains { name, latest in
                    DefinitionDirectory.builtIn[name] == nil && (latest.definition != nil || latest.revision > 1)
                }
        }

        /// Whether a save must look at its flow first: for its type, or for the revision that it follows.
        func mustKnowFlow(ofType flowType: String?) -> Bool {
            guard let flowType else { return mayConcernUnknown }
            return types[flowType].map { $0.revision > 1 } ?? false
        }
    }

    /// How long another server's definitions may go unnoticed.
    static let maximumAge = Duration.seconds(1)
    private static let maximumTenants = 10_000

    /// Built-in definitions.
    static let builtIn: [String: Latest] = {
        var types: [String: Latest] = [:]
        for record in BuiltInDefinitions.records {
            let budget = WorkBudget(steps: Limits().work)
            guard let definition = try? DefinitionReader.read(stored: record.document, limits: Limits(), budget: budget) else { continue }
            types[record.flowType] = Latest(revision: record.revision, definition: definition.onSave == .off ? nil : definition)
        }
        return types
    }()

    typealias Waiting = @Sendable (Result<Entry, StateError>) -> Void

    private struct Reading {
        /// Saves that go on when it is done, in their order, and what their states take.
        var waiting: [Waiting] = []
        var bytes = 0
        /// Something was put meanwhile: what is read may be older.
        var isOutdated = false
    }

    private struct State {
        var entries = LRUCache<String, Entry>(capacity: maximumTenants)
        var readings: [String: Reading] = [:]
    }

    private let state = Mutex(State())

    enum Answer {
        case known(Entry)
        /// As known, but the asker should have it read again.
        case stale(Entry)
        /// `waiting` will be called; the asker should have it read if it is the first.
        case waiting(isFirst: Bool)
        /// Too many wait already.
        case refused(PostgresError)
    }

    /// - Parameter bytes: what waiting would take. What waits is bounded as a lane's queue is: it waits for the database too.
    func answer(_ tenant: String, bytes: Int, limits: Limits, orWait waiting: @escaping Waiting) -> Answer {
        state.withLock { state in
            let isBeingRead = state.readings[tenant] != nil
            if let entry = state.entries.value(tenant) {
                if isBeingRead || entry.time.advanced(by: Self.maximumAge) > .now { return .known(entry) }
                state.readings[tenant] = Reading()
                return .stale(entry)
            }
            var reading = state.readings[tenant] ?? Reading()
            guard reading.waiting.count < limits.queuedOperations else {
                return .refused(.overloaded(queued: reading.waiting.count, limit: limits.queuedOperations, unit: .operations))
            }
            guard reading.waiting.isEmpty || reading.bytes + bytes <= limits.queuedBytes else {
                return .refused(.overloaded(queued: reading.bytes, limit: limits.queuedBytes, unit: .bytes))
            }
            reading.waiting.append(waiting)
            reading.bytes += bytes
            state.readings[tenant] = reading
            return .waiting(isFirst: !isBeingRead)
        }
    }

    /// Calls those that wait, on this thread and in their order. The entry is known to others when nobody waits any more: no save
    /// overtakes another one that came before it.
    func finishReading(_ tenant: String, _ result: Result<Entry, StateError>) {
        while true {
            let next: [Waiting] = state.withLock { state in
                guard let reading = state.readings[tenant] else { return [] }
                if !reading.waiting.isEmpty {
                    state.readings[tenant]?.waiting = []
                    state.readings[tenant]?.bytes = 0
                    return reading.waiting
                }
                state.readings[tenant] = nil
                if !reading.isOutdated, case .success(let entry) = result { state.entries.insert(entry, cost: 1, for: tenant) }
                return []
            }
            if next.isEmpty { return }
            for waiting in next { waiting(result) }
        }
    }

    /// A flow of a built-in type is being saved: whoever saves it next need not know its type.
    func noteBuiltIn(_ entry: Entry, of tenant: String) {
        let next = Entry(types: entry.types, revisions: entry.revisions, usesBuiltIn: true, time: entry.time)
        state.withLock { state in
            if state.entries.value(tenant) === entry { state.entries.insert(next, cost: 1, for: tenant) }
        }
    }

    /// Something was put here that changes what is known.
    func forget(_ tenant: String) {
        state.withLock { state in
            state.entries.remove(tenant)
            state.readings[tenant]?.isOutdated = true
        }
    }
}
