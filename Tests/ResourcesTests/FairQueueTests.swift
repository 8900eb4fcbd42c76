import Testing

@testable import Resources

@Suite struct FairQueueTests {
    @Test func callersTakeTurns() {
        var queue = FairQueue<String>()
        for number in 1...3 { queue.append("a\(number)", of: 1) }
        queue.append("b1", of: 2)
        queue.append("c1", of: 3)
        queue.append("b2", of: 2)
        var order: [String] = []
        while let element = queue.popFirst() { order.append(element) }
        #expect(order == ["a1", "b1", "c1", "a2", "b2", "a3"])
        #expect(queue.isEmpty && queue.callerCount == 0)
    }

    @Test func itKnowsWhoWaits() {
        var queue = FairQueue<String>()
        for caller: UInt64 in [1, 2, 1] { queue.append("", of: caller) }
        #expect(queue.callerCount == 2 && queue.isWaiting(1) && queue.isWaiting(2) && !queue.isWaiting(3))
        _ = queue.popFirst()
        _ = queue.popFirst()
        #expect(queue.callerCount == 1 && queue.isWaiting(1) && !queue.isWaiting(2))
    }

    @Test func aNewCallerWaitsForOneElementOfEachOther() {
        var queue = FairQueue<String>()
        for number in 1...100 { queue.append("a\(number)", of: 1) }
        #expect(queue.popFirst() == "a1")
        queue.append("b1", of: 2)
        let next = [queue.popFirst(), queue.popFirst()]
        #expect(next.contains("b1"))
    }

    @Test func whatMatchesIsTakenOut() {
        var queue = FairQueue<String>()
        for caller in ["a", "b", "c"] {
            for number in 1...3 { queue.append("\(caller)\(number)", of: UInt64(caller.utf8.first ?? 0)) }
        }
        #expect([queue.popFirst(), queue.popFirst()] == ["a1", "b1"])
        #expect(Set(queue.remove { $0.hasPrefix("b") || $0.hasSuffix("3") }) == ["a3", "b2", "b3", "c3"])
        #expect(queue.count == 3 && queue.remove { $0.isEmpty }.isEmpty)
        queue.append("b4", of: UInt64(UInt8(ascii: "b")))
        var order: [String] = []
        while let element = queue.popFirst() { order.append(element) }
        #expect(order == ["c1", "a2", "b4", "c2"])
    }

    @Test func noMoreIsTakenOutThanAskedFor() {
        var queue = FairQueue<Int>()
        for number in 0..<6 { queue.append(number, of: UInt64(number % 2)) }
        #expect(queue.remove(atMost: 0) { _ in true }.isEmpty && queue.count == 6)
        let removed = queue.remove(atMost: 2) { $0 != 3 }
        #expect(removed.count == 2 && !removed.contains(3) && queue.count == 4)
        var rest: Set<Int> = []
        while let element = queue.popFirst() { rest.insert(element) }
        #expect(rest == Set(0..<6).subtracting(removed))
    }

    @Test func againstAModel() {
        var generator = SystemRandomNumberGenerator()
        var queue = FairQueue<(caller: UInt64, number: Int)>()
        var (appended, popped) = ([UInt64: Int](), [UInt64: Int]())
        for _ in 0..<10_000 {
            if Bool.random(using: &generator) {
                let caller = UInt64.random(in: 0..<5, using: &generator)
                queue.append((caller, appended[caller, default: 0]), of: caller)
                appended[caller, default: 0] += 1
            } else if let element = queue.popFirst() {
                // Each caller's own come in their order.
                #expect(element.number == popped[element.caller, default: 0])
                popped[element.caller, default: 0] += 1
            }
            #expect(queue.count == appended.values.reduce(0, +) - popped.values.reduce(0, +))
        }
    }
}
