import FlowModel
import Synchronization
import Testing

@testable import FlowStore

/// One at a time, in the order in which they asked; those that nobody waits for any more are passed over.
struct FlowTurnsTests {
    private final class Log: Sendable {
        let entries = Mutex<[String]>([])
        func add(_ entry: String) { entries.withLock { $0.append(entry) } }
        var all: [String] { entries.withLock { $0 } }
    }

    @Test func oneAfterTheOther() throws {
        let (turns, log) = (FlowTurns(limit: 10), Log())
        let (one, other) = (try key("t", "a"), try key("t", "b"))
        for name in ["1", "2", "3"] {
            try turns.begin(one) {
                log.add(name)
                return true
            }
        }
        try turns.begin(other) {
            log.add("other")
            return true
        }
        #expect(log.all == ["1", "other"])
        turns.end(one)
        #expect(log.all == ["1", "other", "2"])
        turns.end(one)
        turns.end(one)
        try turns.begin(one) {
            log.add("4")
            return true
        }
        #expect(log.all == ["1", "other", "2", "3", "4"])
    }

    @Test func whatIsAbandonedIsPassedOver() throws {
        let (turns, log) = (FlowTurns(limit: 10_000), Log())
        let flow = try key("t", "a")
        try turns.begin(flow) { true }
        for _ in 0..<5_000 { try turns.begin(flow) { false } }
        try turns.begin(flow) {
            log.add("last")
            return true
        }
        turns.end(flow)
        #expect(log.all == ["last"])
    }

    @Test func thoseThatWaitAreBounded() throws {
        let turns = FlowTurns(limit: 2)
        let flow = try key("t", "a")
        for _ in 0..<3 { try turns.begin(flow) { true } }
        #expect(throws: StateError.overloaded(queued: 2, limit: 2, unit: "operations", retryAfterMilliseconds: 100)) {
            try turns.begin(flow) { true }
        }
        turns.end(flow)
        try turns.begin(flow) { true }
    }
}
