import FlowModel
import Postgres
import Resources
import Synchronization
import Testing

@testable import FlowStore

/// Callers take turns at the connections for lists, and nobody waits for long when many do.
struct ListTurnsTests {
    private typealias Queue = ListQueue<String>

    private let start = Instant.now

    private func at(_ milliseconds: Int) -> Instant { start + .milliseconds(milliseconds) }

    private func names(_ queue: inout Queue, _ count: Int, now: Instant) -> [String] {
        (0..<count).compactMap { _ in
            switch queue.next(now: now) {
            case .begin(let name)?:
                queue.ended()
                return name
            case .refuse(let name, let error)?: return "\(name) refused: \(error.retryAfterMilliseconds ?? 0)"
            case nil: return nil
            }
        }
    }

    @Test func asManyAtATimeAsThereAreTurns() throws {
        var queue = Queue(turns: 2, limit: 10, patience: .seconds(1))
        for name in ["1", "2", "3"] { queue.append(name, of: 1, now: start) }
        for name in ["1", "2"] {
            guard case .begin(name)? = queue.next(now: start) else { return #expect(Bool(false), "\(name) has no turn") }
        }
        #expect(queue.next(now: start) == nil)
        queue.ended()
        guard case .begin("3")? = queue.next(now: start) else { return #expect(Bool(false), "3 has no turn") }
    }

    @Test func callersTakeTurns() {
        var queue = Queue(turns: 1, limit: 100, patience: .seconds(1))
        for number in 1...50 { queue.append("\(number)", of: 1, now: start) }
        queue.append("other", of: 2, now: start)
        #expect(names(&queue, 3, now: start) == ["1", "other", "2"])
    }

    @Test func soManyMayWait() {
        var queue = Queue(turns: 1, limit: 2, patience: .seconds(1))
        queue.append("1", of: 1, now: start)
        #expect(queue.refusal(of: 3, now: start) == nil)
        queue.append("2", of: 2, now: start)
        #expect(queue.refusal(of: 3, now: start) == .overloaded(queued: 2, limit: 2, unit: "lists", retryAfterMilliseconds: 1_000))
    }

    /// Below, at and above the time; where few wait it does not matter.
    @Test(arguments: [999, 1_000, 1_001]) func whoHasWaitedForTooLongIsRefused(milliseconds: Int) {
        var queue = Queue(turns: 1, limit: 100, patience: .seconds(1))
        let count = Queue.few + 2
        for number in 1...count { queue.append("\(number)", of: 1, now: start) }
        let refused = milliseconds > 1_000 ? " refused: 1001" : ""
        let expected = (1...count).map { count - $0 >= Queue.few ? "\($0)\(refused)" : "\($0)" }
        #expect(names(&queue, count + 1, now: at(milliseconds)) == expected)
    }

    /// When the last turn has not ended for that long.
    @Test(arguments: [999, 1_000, 1_001]) func whoComesWhileNothingMovesIsRefused(milliseconds: Int) {
        var queue = Queue(turns: 1, limit: 100, patience: .seconds(1))
        queue.append("slow", of: 1, now: start)
        guard case .begin? = queue.next(now: start) else { return #expect(Bool(false), "it has no turn") }
        for number in 1..<Queue.few { queue.append("\(number)", of: 1, now: start) }
        #expect(queue.refusal(of: 1, now: at(5_000)) == nil, "few wait")
        queue.append("\(Queue.few)", of: 2, now: start)
        for caller: UInt64 in [1, 2] { #expect((queue.refusal(of: caller, now: at(milliseconds)) == nil) == (milliseconds <= 1_000)) }
        #expect(queue.refusal(of: 3, now: at(milliseconds)) == nil, "its turn is next but one")
        for caller in 3...Queue.few { queue.append("\(caller)", of: UInt64(caller), now: start) }
        #expect((queue.refusal(of: 100, now: at(milliseconds)) == nil) == (milliseconds <= 1_000), "many callers")
    }

    // MARK: The shell

    private final class Log: Sendable {
        let entries = Mutex<[String]>([])
        func add(_ entry: String) { entries.withLock { $0.append(entry) } }
        var all: [String] { entries.withLock { $0 } }
    }

    private func request(
        _ name: String, _ log: Log, caller: UInt64 = 1, affinity: BatchAffinity = .exclusive, isAbandoned: Bool = false,
        _ begun: @escaping @Sendable (Bool) -> Void = { _ in }
    ) -> ListTurns.Request {
        ListTurns.Request(caller: caller, affinity: affinity, abandonment: { isAbandoned ? .cancelled : nil }) { hasTurn in
            log.add("\(name)\(hasTurn ? "" : " along")")
            begun(hasTurn)
        } refuse: {
            log.add("\(name) \($0.reason)")
        }
    }

    @Test func oneAfterTheOther() {
        let (turns, log) = (ListTurns(turns: 1, limits: Limits()), Log())
        turns.begin(request("1", log))
        turns.begin(request("2", log))
        turns.begin(request("gone", log, isAbandoned: true))
        turns.begin(request("3", log))
        #expect(log.all == ["1"])
        turns.end()
        turns.end()
        #expect(log.all == ["1", "2", "gone CANCELLED", "3"])
    }

    @Test func whoAsksForTheSameComesAlong() {
        let (turns, log) = (ListTurns(turns: 1, limits: Limits()), Log())
        turns.begin(request("1", log))
        for (number, affinity) in [BatchAffinity.identical(7), .exclusive, .identical(7), .identical(8)].enumerated() {
            turns.begin(request("\(number + 2)", log, caller: UInt64(number), affinity: affinity))
        }
        turns.end()
        #expect(log.all == ["1", "2", "4 along"])
        turns.end()
        turns.end()
        #expect(log.all == ["1", "2", "4 along", "3", "5"])
    }

    /// What is refused at once ends while it begins: thousands of those are no recursion.
    @Test func whatEndsAtOnceIsFollowedByTheNext() {
        let (turns, log) = (ListTurns(turns: 1, limits: Limits()), Log())
        turns.begin(request("first", log))
        for number in 0..<4_000 { turns.begin(request("\(number)", log) { hasTurn in if hasTurn { turns.end() } }) }
        turns.end()
        #expect(log.all.count == 4_001)
        turns.begin(request("last", log))
        #expect(log.all.last == "last")
    }
}
