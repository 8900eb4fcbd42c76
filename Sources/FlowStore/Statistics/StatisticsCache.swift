import FlowModel
import Resources
import Synchronization

/// Cached figures, and the callers that wait for those being computed. Safe on any thread.
final class StatisticsCache: Sendable {
    private struct Key: Hashable {
        /// Tenant and type: compared by their bytes.
        let names: FlowKey
        let windowSeconds: Int64

        init(_ command: GetStatisticsCommand) {
            names = FlowKey(stored: command.tenant, flowID: command.flowType ?? "")
            windowSeconds = command.windowSeconds
        }
    }

    typealias Waiting = @Sendable (Result<FlowStatistics, StateError>) -> Void

    private struct Taking {
        let start = Instant.now
        var waiting: [Waiting] = []
    }

    private struct State {
        /// The cost is the number of lines in their tables.
        var cached = ScanResistantCache<Key, (statistics: FlowStatistics, time: Instant)>(capacity: 100_000)
        var takings: [Key: Taking] = [:]
    }

    /// The most different figures in progress or waiting.
    private static let maximumTakings = 16
    /// The most callers that wait for one of them.
    private static let maximumWaiting = 4_096

    private let state = Mutex(State())

    enum Answer {
        case cached(FlowStatistics)
        /// The cache will call `waiting`; the first caller computes the figures, and calls `finish`.
        case waiting(isFirst: Bool)
        case refused(StateError)
    }

    func answer(_ command: GetStatisticsCommand, maximumAge: Duration, orWait waiting: @escaping Waiting) -> Answer {
        let key = Key(command)
        return state.withLock { state in
            if let known = state.cached.value(key), known.time.advanced(by: maximumAge) > .now { return .cached(known.statistics) }
            let isFirst = state.takings[key] == nil
            if isFirst, state.takings.count >= Self.maximumTakings { return Self.refusal(state.takings.count, Self.maximumTakings) }
            var taking = state.takings[key] ?? Taking()
            if taking.waiting.count >= Self.maximumWaiting { return Self.refusal(taking.waiting.count, Self.maximumWaiting) }
            taking.waiting.append(waiting)
            state.takings[key] = taking
            return .waiting(isFirst: isFirst)
        }
    }

    /// Calls the waiting callers, on this thread.
    func finish(_ command: GetStatisticsCommand, _ result: Result<FlowStatistics, StateError>) {
        let key = Key(command)
        let waiting = state.withLock { state in
            guard let taking = state.takings.removeValue(forKey: key) else { return [Waiting]() }
            if case .success(let statistics) = result {
                state.cached.insert((statistics, taking.start), cost: statistics.lines, for: key)
            }
            return taking.waiting
        }
        for waiting in waiting { waiting(result) }
    }

    private static func refusal(_ queued: Int, _ limit: Int) -> Answer {
        .refused(.overloaded(queued: queued, limit: limit, unit: "operations", retryAfterMilliseconds: 1_000))
    }
}

extension FlowStatistics {
    fileprivate var lines: Int {
        byType.reduce(1 + byStatus.count + ruleFailures.count) { $0 + 1 + $1.byStatus.count + $1.byPhase.count }
    }
}
