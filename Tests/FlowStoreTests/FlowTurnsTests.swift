import FlowModel
import Resources
import Synchronization
import Testing

@testable import FlowStore

/// One at a time, in the order in which they asked; those that nobody waits for any more are passed over.
struct FlowTurnsTests {
    private final class Log: Sendable {
        let entries = Mutex<[String]>([])
        func add(_ entry: String) { entries.withLock { $0.append(entry) } }
        var all: [String] { entries.withLock { $0 } }

        func request(_ name: String, deadline: Instant? = nil, hasEnded: Bool = false) -> FlowTurns.Request {
            FlowTurns.Request(deadline: deadline) {
                if !hasEnded { self.add(name) }
                return !hasEnded
            } refuse: {
                self.add("\(name): \($0.retryAfterMilliseconds ?? 0)")
            }
        }
    }

    @Test func oneAfterTheOther() throws {
        let (turns, log) = (FlowTurns(limit: 10, flowLimit: 10), Log())
        let (one, other) = (try key("t", "a"), try key("t", "b"))
        for name in ["1", "2", "3"] { try turns.begin(one, log.request(name)) }
        try turns.begin(other, log.request("other"))
        #expect(log.all == ["1", "other"])
        turns.end(one)
        #expect(log.all == ["1", "other", "2"])
        turns.end(one)
        turns.end(one)
        try turns.begin(one, log.request("4"))
        #expect(log.all == ["1", "other", "2", "3", "4"])
    }

    @Test func whatIsAbandonedIsPassedOver() throws {
        let (turns, log) = (FlowTurns(limit: 10_000, flowLimit: 10_000), Log())
        let flow = try key("t", "a")
        try turns.begin(flow, log.request("first"))
        for _ in 0..<5_000 { try turns.begin(flow, log.request("ended", hasEnded: true)) }
        try turns.begin(flow, log.request("last"))
        turns.end(flow)
        #expect(log.all == ["first", "last"])
    }

    @Test func thoseThatWaitAreBounded() throws {
        let (turns, log) = (FlowTurns(limit: 3, flowLimit: 2), Log())
        let (one, other) = (try key("t", "a"), try key("t", "b"))
        for _ in 0..<3 { try turns.begin(one, log.request("")) }
        #expect(throws: StateError.overloaded(queued: 2, limit: 2, unit: "operations of this flow", retryAfterMilliseconds: 100)) {
            try turns.begin(one, log.request(""))
        }
        for _ in 0..<2 { try turns.begin(other, log.request("")) }
        #expect(throws: StateError.overloaded(queued: 3, limit: 3, unit: "operations", retryAfterMilliseconds: 100)) {
            try turns.begin(other, log.request(""))
        }
        turns.end(one)
        try turns.begin(other, log.request(""))
    }

    /// A lock of another transaction: each would wait for it in vain, one after the other.
    @Test func whatEndsATurnForAllRefusesThoseThatWaitedForMostOfIt() throws {
        let (turns, log) = (FlowTurns(limit: 4, flowLimit: 4), Log())
        let flow = try key("t", "a")
        let start = Instant.now
        for name in ["1", "2", "3"] { try turns.begin(flow, log.request(name), now: start) }
        try turns.begin(flow, log.request("half"), now: start + .milliseconds(2_500))
        try turns.begin(flow, log.request("later"), now: start + .milliseconds(2_501))
        turns.end(flow, failure: .lockHeld, now: start + .seconds(5))
        #expect(log.all == ["1", "2: 1000", "3: 1000", "half: 1000", "later"])
        for name in ["4", "5", "6", "7"] { try turns.begin(flow, log.request(name), now: start + .seconds(6)) }
        #expect(throws: StateError.self, "those that were refused take no room any more") {
            try turns.begin(flow, log.request("8"), now: start + .seconds(6))
        }
    }

    /// What turns take is known once two have ended: who would be late then is told at once, those that wait and those that come.
    @Test func whoWouldBeLateIsRefused() throws {
        let (turns, log) = (FlowTurns(limit: 100, flowLimit: 100), Log())
        let flow = try key("t", "a")
        let start = Instant.now
        func at(_ seconds: Int) -> Instant { start + .seconds(seconds) }
        for name in 0..<10 { try turns.begin(flow, log.request("\(name)", deadline: at(30)), now: start) }
        turns.end(flow, now: at(20))
        #expect(log.all == ["0", "1"], "one that took long may be a chance")
        turns.end(flow, now: at(22))
        // 2 s each: 2 may begin, 3, 4 and 5 end until 30.
        #expect(log.all == ["0", "1", "6: 8000", "7: 8000", "8: 8000", "9: 8000", "2"])
        #expect(throws: StateError.overloaded(queued: 3, limit: 3, unit: "operations of this flow", retryAfterMilliseconds: 6_000)) {
            try turns.begin(flow, log.request("late", deadline: at(29)), now: at(22))
        }
        try turns.begin(flow, log.request("patient"), now: at(22))
        for second in [24, 26, 28, 30] { turns.end(flow, now: at(second)) }
        #expect(log.all.suffix(4) == ["3", "4", "5", "patient"])
    }
}
