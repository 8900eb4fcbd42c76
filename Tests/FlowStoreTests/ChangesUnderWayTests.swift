import Synchronization
import TestSupport
import Testing

@testable import FlowStore

@Suite struct ChangesUnderWayTests {
    @Test func withoutChangesNobodyWaits() {
        var counter = TurnCounter<String>()
        #expect(counter.wait("a") == ["a"])
        #expect(counter.wait("b") == ["b"])
        let turn = counter.begin()
        #expect(counter.end(turn) == [])
        #expect(counter.wait("c") == ["c"])
    }

    /// What begins later is not waited for.
    @Test func whoWaitsIsServedWhenAllThatBeganBeforeHaveEnded() {
        var counter = TurnCounter<String>()
        let (first, second) = (counter.begin(), counter.begin())
        #expect(counter.wait("a") == [])
        let later = counter.begin()
        #expect(counter.wait("b") == [])
        let latest = counter.begin()
        #expect(counter.end(second) == [])
        #expect(counter.end(first) == ["a"])
        #expect(counter.end(later) == [])
        #expect(counter.wait("c") == [])
        #expect(counter.end(latest) == ["b", "c"])
        #expect(counter.wait("d") == ["d"])
    }

    /// Beside a model that knows what began before each waiter came: nobody is served too early, and in the end all are.
    @Test(arguments: 0..<200) func besideAModel(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var counter = TurnCounter<Int>()
        var open: [(number: Int, turn: Int)] = []
        var before: [Int: Set<Int>] = [:]
        var number = 0
        func serve(_ served: [Int]) {
            for waiter in served {
                let missing = before.removeValue(forKey: waiter)?.intersection(open.map(\.number))
                #expect(missing == [], "\(waiter) was served too early, or twice")
            }
        }
        for _ in 0..<300 {
            number += 1
            switch random.next() % 5 {
            case 0, 1: open.append((number, counter.begin()))
            case 2, 3:
                guard !open.isEmpty else { continue }
                let ended = open.remove(at: Int(random.next() % UInt64(open.count)))
                serve(counter.end(ended.turn))
            default:
                before[number] = Set(open.map(\.number))
                serve(counter.wait(number))
            }
        }
        while let ended = open.popLast() { serve(counter.end(ended.turn)) }
        #expect(before.isEmpty)
    }

    @Test func shardsAreApart() {
        let changes = ChangesUnderWay()
        let served = Mutex<[Int]>([])
        let ticket = changes.begin(1)
        changes.whenEnded(2) { served.withLock { $0.append(2) } }
        changes.whenEnded(1) { served.withLock { $0.append(1) } }
        changes.whenEnded(4_097) { served.withLock { $0.append(4_097) } }
        #expect(served.withLock(\.self) == [2])
        changes.end(ticket)
        #expect(served.withLock(\.self) == [2, 1, 4_097])
    }
}
