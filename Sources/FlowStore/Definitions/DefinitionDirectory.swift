import FlowModel
import JSON
import Postgres
import Resources
import Synchronization

/// The definitions of a tenant's flow types, as far as this server knows: a definition that is put here applies at once, one that is put
/// through another server within `maximumAge`. A save asks it, so asking costs a look-up. Safe on any thread.
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

    /// What is known of a tenant. A class, since every save gets it.
    final class Entry: Sendable {
        /// By type.
        let types: [Name: Latest]
        /// The last change; nil: no definition was ever put.
        let change: DirectoryChange?
        /// Whether the tenant has flows of a built-in type whose definition concerns saves.
        let usesBuiltIn: Bool
        /// When its reading began.
        let time: Instant

        init(
            types: [Name: Latest], change: DirectoryChange?, usesBuiltIn: Bool, time: Instant
        ) {
            self.types = types
            self.change = change
            self.usesBuiltIn = usesBuiltIn
            self.time = time
        }

        /// Whether a save must look up its flow first: for its type, or for the revision to which it is pinned.
        func mustKnowFlow(ofType flowType: String?) -> Bool {
            guard let flowType else { return usesBuiltIn || types.count > DefinitionDirectory.builtIn.count }
            return types[Name(flowType)].map { $0.revision > 1 } ?? false
        }

        func latest(_ flowType: String) -> Latest? { types[Name(flowType)] }

        /// The same entry, from which a reading may continue, but which is not to be used.
        var outdated: Entry {
            Entry(types: types, change: change, usesBuiltIn: usesBuiltIn, time: time.advanced(by: .zero - DefinitionDirectory.maximumAge))
        }

        /// Approximate memory in bytes.
        var cost: Int { 512 + types.count * 384 }
    }

    /// How long a change by another server may go unnoticed: an older entry is not used.
    static let maximumAge = Duration.seconds(1)
    /// An older entry is read again while it is still used, so that saves of a busy tenant do not wait.
    static let refreshAge = Duration.milliseconds(500)
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
        var begun = Instant.now
        /// Saves that continue when it is done, in their order, and the bytes of their states.
        var waiting: [Waiting] = []
        var bytes = 0
        /// A definition was put meanwhile: what is read may be older, and saves that come later must be validated by the newer one.
        var isOutdated = false
    }

    private struct State {
        var entries: ScanResistantCache<Name, Entry>
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

    init(limits: Limits) { state = Mutex(State(entries: ScanResistantCache(capacity: limits.definitionDirectoryBytes))) }

    /// Approximate memory of the entries.
    var byteCount: Int { state.withLock(\.entries.cost) }

    enum Answer {
        case cached(Entry)
        /// To be used, but the caller should have it read again.
        case refresh(Entry)
        /// The directory will call `waiting`; the first caller should have the entry read.
        case waiting(isFirst: Bool)
        /// Too many callers wait already.
        case refused(PostgresError)
    }

    /// The entry, if it need not be read again; nil: use `answer`.
    func lookup(_ tenant: String, losses: Int) -> Entry? {
        let (key, now) = (Name(tenant), Instant.now)
        return state.withLock { state in
            state.follow(losses)
            guard let entry = state.entries.value(key), entry.time.advanced(by: Self.refreshAge) > now else { return nil }
            return entry
        }
    }

    /// - Parameters:
    ///   - bytes: what the save takes while it waits. Waiting saves are bounded like a connection group's queue, since they wait for the
    ///     database too.
    ///   - losses: `Database.connectionLosses`: entries from before the last loss are invalidated.
    func answer(_ tenant: String, bytes: Int, losses: Int, limits: Limits, orWait waiting: @escaping Waiting) -> Answer {
        let (key, now) = (Name(tenant), Instant.now)
        return state.withLock { state in
            state.follow(losses)
            let isBeingRead = state.readings[key] != nil
            if let entry = state.entries.value(key), entry.time.advanced(by: Self.maximumAge) > now {
                if isBeingRead || entry.time.advanced(by: Self.refreshAge) > now { return .cached(entry) }
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

    /// The start of a reading: the known entry, and when the reading began.
    func beginReading(_ tenant: String) -> (known: Entry?, begun: Instant) {
        let key = Name(tenant)
        return state.withLock { ($0.entries.value(key), $0.readings[key]?.begun ?? .now) }
    }

    /// Calls the waiting saves, on this thread and in their order. The entry is inserted when none waits any more, so that no save
    /// overtakes an earlier one.
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

    /// Notes that a flow of a built-in type is being saved: the next save of it may leave its type out.
    func noteBuiltIn(_ entry: Entry, of tenant: String) {
        let next = Entry(types: entry.types, change: entry.change, usesBuiltIn: true, time: entry.time)
        let key = Name(tenant)
        state.withLock { state in
            if state.entries.value(key) === entry { state.entries.insert(next, cost: next.cost, for: key) }
        }
    }

    /// Marks the entry as outdated, since a definition was put here.
    func invalidate(_ tenant: String) {
        let key = Name(tenant)
        state.withLock { state in
            if let outdated = state.entries.value(key)?.outdated { state.entries.insert(outdated, cost: outdated.cost, for: key) }
            state.readings[key]?.isOutdated = true
        }
    }
}
