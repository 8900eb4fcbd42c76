import FlowModel
import Synchronization

/// Definitions that were read from their stored documents, by the digests of those: an entry stays right whatever becomes of the database.
/// Callers that need one document at the same time share one reading of it. Safe on any thread.
final class DefinitionCache: Sendable {
    typealias Waiting = @Sendable (Result<FlowDefinition, StateError>) -> Void

    enum Answer {
        case cached(Result<FlowDefinition, StateError>)
        /// The cache will call `waiting`. The first caller has the document read, and reports with `finishReading`.
        case waiting(isFirst: Bool)
        /// As many callers wait as are allowed.
        case refused(waiting: Int)
    }

    private struct State {
        /// A failure is cached too, or each save of its type would read the document again.
        var kept: ScanResistantCache<[UInt8], Result<FlowDefinition, StateError>>
        var readings: [[UInt8]: [Waiting]] = [:]
    }

    private static let failureCost = 1_024

    private let maximumWaiting: Int
    /// In bytes of memory.
    private let capacity: Int
    private let state: Mutex<State>

    init(limits: Limits) {
        maximumWaiting = limits.queuedOperations
        capacity = limits.definitionCacheBytes
        state = Mutex(State(kept: ScanResistantCache(capacity: capacity)))
    }

    /// Approximate memory of the entries.
    var byteCount: Int { state.withLock(\.kept.cost) }

    func answer(_ digest: [UInt8], orWait waiting: @escaping Waiting) -> Answer {
        state.withLock { state in
            if let readers = state.readings[digest] {
                if readers.count >= maximumWaiting { return .refused(waiting: readers.count) }
                state.readings[digest] = readers + [waiting]
                return .waiting(isFirst: false)
            }
            if let kept = state.kept.value(digest) { return .cached(kept) }
            state.readings[digest] = [waiting]
            return .waiting(isFirst: true)
        }
    }

    /// Calls the waiting callers, on this thread and in their order; callers that come meanwhile wait behind them, so that saves keep their
    /// order.
    ///
    /// - Parameter isLasting: whether the result is about the document, rather than about the attempt to read it.
    func finishReading(_ digest: [UInt8], _ result: Result<FlowDefinition, StateError>, isLasting: Bool) {
        while true {
            let waiting: [Waiting] = state.withLock { state in
                let waiting = state.readings[digest] ?? []
                state.readings[digest] = waiting.isEmpty ? nil : []
                if waiting.isEmpty, isLasting { state.kept.insert(result, cost: cost(of: result), for: digest) }
                return waiting
            }
            if waiting.isEmpty { return }
            for next in waiting { next(result) }
        }
    }

    private func cost(of result: Result<FlowDefinition, StateError>) -> Int {
        guard case .success(let definition) = result else { return Self.failureCost }
        // Bounded, so that even the largest definitions are kept: reading them again for every save would cost more than they do.
        return min(definition.memory + Self.failureCost, capacity / 4)
    }
}
