import FlowModel
import Postgres
import Synchronization

/// Which definitions a tenant's flow types have, as far as this server knows: what is put here holds at once, what is put through another
/// server within `maximumAge`. A save asks it, so asking costs a look-up. Safe on any thread.
final class DefinitionDirectory: Sendable {
    /// The latest revision of a type's definition.
    enum Latest: Sendable {
        case builtIn(FoundDefinition)
        case stored(DefinitionReference)

        var revision: Int64 {
            switch self {
            case .builtIn(let found): found.revision
            case .stored(let reference): reference.revision
            }
        }
    }

    /// What is known of a tenant. A class: it is handed to every save.
    final class Entry: Sendable {
        /// By type.
        let types: [Name: Latest]
        /// What was put last; nil: nothing ever was.
        let change: DirectoryChange?
        /// Whether the tenant has flows of a built-in type whose definition concerns saves.
        let usesBuiltIn: Bool
        /// When it was asked for.
        let time: ContinuousClock.Instant

        init(
            types: [Name: Latest], change: DirectoryChange?, usesBuiltIn: Bool, time: ContinuousClock.Instant
        ) {
            self.types = types
            self.change = change
            self.usesBuiltIn = usesBuiltIn
            self.time = time
        }

        /// Whether a save must look at its flow first: for its type, or for the revision that it follows.
        func mustKnowFlow(ofType flowType: String?) -> Bool {
            guard let flowType else { return usesBuiltIn || types.count > DefinitionDirectory.builtIn.count }
            return types[Name(flowType)].map { $0.revision > 1 } ?? false
        }

        func latest(_ flowType: String) -> Latest? { types[Name(flowType)] }

        /// The same, to be read on from but not to be used.
        var outdated: Entry {
            Entry(types: types, change: change, usesBuiltIn: usesBuiltIn, time: time.advanced(by: .zero - DefinitionDirectory.maximumAge))
        }

        /// In memory, roughly.
        var cost: Int { 512 + types.count * 384 }
    }

    /// How long another server's definitions may go unnoticed: an entry that is older is not used.
    static let maximumAge = Duration.seconds(1)
    /// An entry that is older is read again while it is still used, so that saves of a busy tenant do not wait.
    static let refreshAge = Duration.milliseconds(500)
    /// Built-in definitions.
    static let builtIn: [Name: Latest] = {
        var types: [Name: Latest] = [:]
        for record in BuiltInDefinitions.records {
            guard let definition = BuiltInDefinitions.definition(record.flowType) else { continue }
            types[Name(record.flowType)] = .builtIn(FoundDefinition(definition: definition, revision: record.revision))
        }
        return types
    }()

    typealias Waiting = @Sendable (Result<Entry, StateError>) -> Void

    private struct Reading {
        var begun = ContinuousClock.now
        /// Saves that go on when it is done, in their order, and what their states take.
        var waiting: [Waiting] = []
        var bytes = 0
        /// Something was put meanwhile: what is read may be older, and saves that come behind must be held against the newer.
        var isOutdated = false
    }

    private struct State {
        var entries: LRUCache<Name, Entry>
        var readings: [Name: Reading] = [:]
        /// `Database.connectionLosses` when the entries were made.
        var losses = 0

        mutating func follow(_ losses: Int) {
            guard self.losses != losses else { return }
            self.losses = losses
            entries.removeAll()
        }
    }

    private let state: Mutex<State>

    init(limits: Limits) { state = Mutex(State(entries: LRUCache(capacity: limits.definitionDirectoryBytes))) }

    /// What it keeps takes, roughly.
    var byteCount: Int { state.withLock(\.entries.cost) }

    enum Answer {
        case known(Entry)
        /// As known, but the asker should have it read again.
        case refresh(Entry)
        /// `waiting` will be called; the asker should have it read if it is the first.
        case waiting(isFirst: Bool)
        /// Too many wait already.
        case refused(PostgresError)
    }

    /// What is known and not old enough to be read again; nil: `answer` tells.
    func known(_ tenant: String, losses: Int) -> Entry? {
        let (key, now) = (Name(tenant), ContinuousClock.now)
        return state.withLock { state in
            state.follow(losses)
            guard let entry = state.entries.value(key), entry.time.advanced(by: Self.refreshAge) > now else { return nil }
            return entry
        }
    }

    /// - Parameters:
    ///   - bytes: what waiting would take. What waits is bounded as a lane's queue is: it waits for the database too.
    ///   - losses: `Database.connectionLosses`: what was known before the last one is forgotten.
    func answer(_ tenant: String, bytes: Int, losses: Int, limits: Limits, orWait waiting: @escaping Waiting) -> Answer {
        let (key, now) = (Name(tenant), ContinuousClock.now)
        return state.withLock { state in
            state.follow(losses)
            let isBeingRead = state.readings[key] != nil
            if let entry = state.entries.value(key), entry.time.advanced(by: Self.maximumAge) > now {
                if isBeingRead || entry.time.advanced(by: Self.refreshAge) > now { return .known(entry) }
                state.readings[key] = Reading()
                return .refresh(entry)
            }
            var reading = state.readings[key] ?? Reading()
            guard reading.waiting.count < limits.queuedOperations else {
                return .refused(.overloaded(queued: reading.waiting.count, limit: limits.queuedOperations, unit: .operations))
            }
            guard reading.waiting.isEmpty || reading.bytes + bytes <= limits.queuedBytes else {
                return .refused(.overloaded(queued: reading.bytes, limit: limits.queuedBytes, unit: .bytes))
            }
            reading.waiting.append(waiting)
            reading.bytes += bytes
            state.readings[key] = reading
            return .waiting(isFirst: !isBeingRead)
        }
    }

    /// What a reading begins from: the entry that is known, and when it began.
    func beginReading(_ tenant: String) -> (known: Entry?, begun: ContinuousClock.Instant) {
        let key = Name(tenant)
        return state.withLock { ($0.entries.value(key), $0.readings[key]?.begun ?? .now) }
    }

    /// Calls those that wait, on this thread and in their order. The entry is used by others when none waits any more: no save overtakes
    /// another one that came before it.
    ///
    /// - Returns: false: it must be read once more, since something was put or a connection was lost while it was read.
    func finishReading(_ tenant: String, losses: Int, _ result: Result<Entry, StateError>) -> Bool {
        let key = Name(tenant)
        while true {
            let next: [Waiting]? = state.withLock { state in
                guard let reading = state.readings[key] else { return [] }
                if case .success = result, reading.isOutdated || state.losses != losses {
                    state.readings[key] = Reading(waiting: reading.waiting, bytes: reading.bytes)
                    return nil
                }
                if !reading.waiting.isEmpty {
                    state.readings[key]?.waiting = []
                    state.readings[key]?.bytes = 0
                    return reading.waiting
                }
                state.readings[key] = nil
                if case .success(let entry) = result { state.entries.insert(entry, cost: entry.cost, for: key) }
                return []
            }
            guard let next else { return false }
            if next.isEmpty { return true }
            for waiting in next { waiting(result) }
        }
    }

    /// A flow of a built-in type is being saved: the next save of it may leave its type out.
    func noteBuiltIn(_ entry: Entry, of tenant: String) {
        let next = Entry(types: entry.types, change: entry.change, usesBuiltIn: true, time: entry.time)
        let key = Name(tenant)
        state.withLock { state in
            if state.entries.value(key) === entry { state.entries.insert(next, cost: next.cost, for: key) }
        }
    }

    /// Something was put here that changes what is known.
    func invalidate(_ tenant: String) {
        let key = Name(tenant)
        state.withLock { state in
            if let outdated = state.entries.value(key)?.outdated { state.entries.insert(outdated, cost: outdated.cost, for: key) }
            state.readings[key]?.isOutdated = true
        }
    }
}
