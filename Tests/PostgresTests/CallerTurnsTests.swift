import TestSupport
import Testing

@testable import Postgres

/// More waits than fits into a batch.
extension BatchQueueTests {
    @Test func callersTakeTurnsWhenMuchWaits() {
        var queue = queue(bytes: 1_000, queued: 100)
        for number in 1...18 { add("a\(number)", to: &queue, caller: 1) }
        add("b1", to: &queue, caller: 2)
        add("b2", to: &queue, caller: 2)
        add("c1", to: &queue, caller: 3)
        #expect(take(&queue) == ["a1", "b1", "c1", "a2"])
        add("d1", to: &queue, caller: 4)
        #expect(take(&queue) == ["d1", "b2", "a3", "a4"], "who has had the least goes first")
        add("d2", to: &queue, caller: 4)
        #expect(take(&queue) == ["d2", "a5", "a6", "a7"])
        #expect(take(&queue) == ["a8", "a9", "a10", "a11"])
        for _ in 0..<4 { _ = take(&queue) }
        for number in 1...3 { add("e\(number)", to: &queue, caller: 5) }
        add("f1", to: &queue, caller: 6)
        #expect(take(&queue) == ["e1", "e2", "e3", "f1"], "in order, since they fit into a batch")
    }

    /// A batch in flight makes those wait who submit little; small ones would only cost those throughput who all submit much.
    @Test func batchesAreSmallBesideACallerThatSubmitsLittle() {
        var queue = queue(operations: 32, bytes: 100_000, queued: 1_000)
        for number in 0..<400 { add("\(number)", to: &queue, caller: UInt64(number % 2)) }
        #expect(take(&queue).count == 32)
        add("light", to: &queue, caller: 7)
        let batch = take(&queue)
        #expect(batch.count == 8 && batch.contains("light"))
        // The next one will come soon.
        for _ in 0..<15 { #expect(take(&queue).count == 8) }
        #expect(take(&queue).count == 32)
        // Up to a sixteenth of a batch waits of a light caller.
        for number in 0..<3 { add("three \(number)", to: &queue, caller: 8) }
        #expect(take(&queue).count == 32)
        for number in 0..<2 { add("two \(number)", to: &queue, caller: 9) }
        #expect(take(&queue).count == 8)
    }

    @Test(arguments: [(1, 8), (8, 8), (9, 32), (200, 32)]) func batchesAreFullWhereManySubmitLittle(callers: UInt64, size: Int) {
        var queue = queue(operations: 32, bytes: 100_000, queued: 1_000)
        for number in 0..<400 { add("\(number)", to: &queue, caller: UInt64(number % 2)) }
        for caller in 0..<callers { add("light", to: &queue, caller: 2 + caller) }
        #expect(take(&queue).count == size)
    }

    @Test func aFewLargeOperationsOfOneCallerDoNotHoldUpAnother() {
        var queue = queue()
        for number in 1...3 { add("large \(number)", to: &queue, cost: 80, caller: 1) }
        add("small", to: &queue, cost: 30, caller: 2)
        #expect(take(&queue) == ["large 1"])
        #expect(take(&queue) == ["small"])
        #expect(take(&queue) == ["large 2"])
        // The same where they come back for another round trip.
        var again = entries(&queue)
        for number in 4...5 { add("large \(number)", to: &queue, cost: 80, caller: 1) }
        again += entries(&queue)
        _ = queue.enqueueAgain(again)
        add("small", to: &queue, cost: 30, caller: 2)
        #expect(take(&queue) == ["large 3"])
        #expect(take(&queue) == ["small"])
        #expect(take(&queue) == ["large 4"])
        #expect(take(&queue) == ["large 5"])
    }

    /// Each caller's operations in their order, none lost or twice, whoever is cancelled or comes again.
    @Test(arguments: [UInt64.random(in: 1 ... .max)]) func everyCallersOrderIsKept(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var queue = queue(operations: 8, bytes: 100, queued: 500)
        var waiting: [UInt64: [String]] = [:]
        for step in 0..<20_000 {
            let caller = UInt64.random(in: 0..<5, using: &generator)
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<6:
                if add("\(step)", to: &queue, cost: Int.random(in: 1...40, using: &generator), caller: caller) != nil {
                    waiting[caller, default: []].append("\(step)")
                }
            default:
                let names = take(&queue)
                if queue.queued + names.count > 0 { #expect(!names.isEmpty, "seed \(seed)") }
                for name in names {
                    let callers = waiting.filter { $0.value.first == name }.map(\.key)
                    #expect(callers.count == 1, "seed \(seed): \(name) out of its order")
                    if let caller = callers.first { waiting[caller]?.removeFirst() }
                }
            }
        }
        #expect(queue.count == waiting.values.reduce(0) { $0 + $1.count }, "seed \(seed)")
    }
}
