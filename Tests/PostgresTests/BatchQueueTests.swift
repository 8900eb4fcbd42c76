import Resources
import TestSupport
import Testing

@testable import Postgres

@Suite struct BatchQueueTests {
    typealias Queue = BatchQueue<String>
    let now = Instant.now

    func queue(operations: Int = 4, bytes: Int = 100, queued: Int = 10, queuedBytes: Int = 1 << 30, connections: Int = 1) -> Queue {
        var queue = Queue(limits: .init(operations: operations, bytes: bytes, queued: queued, queuedBytes: queuedBytes))
        for connection in 0..<connections { queue.connectionOpened(connection) }
        return queue
    }

    @discardableResult
    func add(
        _ name: String, to queue: inout Queue, cost: Int = 10, deadline: Instant? = nil, affinity: BatchAffinity = .any,
        caller: UInt64 = 0
    ) -> (id: Queue.ID, wake: Int?)? {
        let admission = queue.enqueue(name, cost: cost, deadline: deadline, affinity: affinity, caller: caller)
        guard case .queued(let id, let wake) = admission else {
            return nil
        }
        return (id, wake)
    }

    /// The names of the next batch; empty when there is nothing to do.
    func take(_ queue: inout Queue, connection: Int = 0, at time: Instant? = nil) -> [String] {
        var expired: [Queue.Failure] = []
        guard case .batch(let entries) = queue.take(for: connection, now: time ?? now, expired: &expired) else { return [] }
        return entries.map(\.element)
    }

    @Test func keepsTheOrderAndBoundsABatchInOperationsAndBytes() {
        var queue = queue()
        for name in ["a", "b", "c", "d", "e"] { add(name, to: &queue) }
        add("large", to: &queue, cost: 1000)
        add("f", to: &queue)
        #expect(take(&queue) == ["a", "b", "c", "d"])
        #expect(take(&queue) == ["e"])
        #expect(take(&queue) == ["large"])
        #expect(take(&queue) == ["f"])
        #expect(take(&queue) == [])
        #expect(queue.count == 0)
    }

    @Test func runsLongOperationsAlone() {
        var queue = queue()
        add("a", to: &queue)
        add("list", to: &queue, affinity: .exclusive)
        add("b", to: &queue)
        #expect(take(&queue) == ["a"])
        #expect(take(&queue) == ["list"])
        #expect(take(&queue) == ["b"])
    }

    @Test func takesThoseWhoAskForTheSameTogetherFromWhereverTheyStand() {
        var queue = queue()
        add("list a", to: &queue, affinity: .identical(1))
        add("load", to: &queue)
        add("list b", to: &queue, affinity: .identical(2))
        add("late list a", to: &queue, deadline: now - .seconds(1), affinity: .identical(1))
        for name in ["a2", "a3", "a4", "a5"] { add(name, to: &queue, affinity: .identical(1)) }
        #expect(take(&queue) == ["list a", "a2", "a3", "a4"], "four a batch")
        #expect(take(&queue) == ["load"])
        #expect(take(&queue) == ["list b"])
        #expect(queue.sweep(now: now).map(\.element) == ["late list a"])
        #expect(take(&queue) == ["a5"])
        #expect(queue.count == 0)
    }

    @Test func wakesOneIdleConnectionAnOperation() {
        var queue = queue(connections: 2)
        #expect(take(&queue, connection: 0) == [])
        #expect(take(&queue, connection: 1) == [])
        #expect(take(&queue, connection: 1) == [], "asking twice is not being idle twice")
        let woken = (0..<3).map { add("\($0)", to: &queue)?.wake }
        #expect(woken == [1, 0, nil])
    }

    @Test func refusesBeyondItsLimitAndCountsOnlyWhatWaits() {
        var queue = queue(queued: 2)
        add("a", to: &queue)
        let second = add("b", to: &queue)
        guard case .refused(let error) = queue.enqueue("c", cost: 1, deadline: nil, affinity: .any) else {
            Issue.record("let in")
            return
        }
        #expect(error == .overloaded(queued: 2, limit: 2, unit: .operations))
        #expect(second.flatMap { queue.cancel($0.id) } == "b")
        #expect(add("c", to: &queue) != nil)
        #expect(take(&queue) == ["a", "c"])
    }

    @Test func refusesBeyondItsLimitInBytesButLetsOneIn() {
        var queue = queue(queuedBytes: 100)
        add("huge", to: &queue, cost: 1_000)
        guard case .refused(.overloaded) = queue.enqueue("a", cost: 1, deadline: nil, affinity: .any) else {
            Issue.record("let in")
            return
        }
        #expect(take(&queue) == ["huge"])
        for name in ["a", "b", "c"] { add(name, to: &queue, cost: 50) }
        #expect(take(&queue) == ["a", "b"], "the third did not fit")
        let cancelled = add("d", to: &queue, cost: 100)
        #expect(cancelled.flatMap { queue.cancel($0.id) } == "d")
        #expect(add("e", to: &queue, cost: 100) != nil, "a cancelled operation gives its bytes back")
    }

    func entries(_ queue: inout Queue) -> [Queue.Entry] {
        var expired: [Queue.Failure] = []
        guard case .batch(let entries) = queue.take(for: 0, now: now, expired: &expired) else { return [] }
        return entries
    }

    @Test func whatTakesAnotherRoundTripGoesFirstInItsOrder() {
        var queue = queue()
        for name in ["a", "b", "c"] { add(name, to: &queue) }
        let first = entries(&queue)
        add("d", to: &queue)
        let (failures, _) = queue.enqueueAgain([first[0].again(cost: 10, affinity: .any), first[2].again(cost: 90, affinity: .any)])
        #expect(failures.isEmpty)
        #expect(queue.cancel(first[0].id) == "a", "known by the same number")
        #expect(take(&queue) == ["c", "d"], "bounded in bytes as they cost now")
    }

    @Test func anotherRoundTripEndsWithTheConnection() {
        var queue = queue()
        add("a", to: &queue)
        let taken = entries(&queue)
        _ = queue.enqueueAgain(taken)
        #expect(queue.connectionLost(0, message: "lost", heldUntil: now).failures.isEmpty, "another may be there at once")
        let failures = queue.attemptFailed(message: "gone")
        #expect(failures.map(\.element) == ["a"])
        #expect(failures.first?.error == .unavailable(message: "gone", outcomeUnknown: false))
        #expect(queue.enqueueAgain(taken).failures.map(\.error) == [.unavailable(message: "gone", outcomeUnknown: false)])
    }

    @Test func cancelsOnlyWhatWaits() {
        var queue = queue(operations: 1)
        let ids = ["a", "b", "c"].compactMap { add($0, to: &queue)?.id }
        #expect(take(&queue) == ["a"])
        #expect(queue.cancel(ids[0]) == nil)
        #expect(queue.cancel(ids[1]) == "b")
        #expect(queue.cancel(ids[1]) == nil)
        #expect(queue.cancel(999) == nil)
        #expect(take(&queue) == ["c"])
        #expect(take(&queue) == [])
    }

    @Test func dropsWhatIsLate() {
        var queue = queue()
        add("late", to: &queue, deadline: now)
        add("soon", to: &queue, deadline: now + .seconds(1))
        add("never", to: &queue)
        var expired: [Queue.Failure] = []
        _ = queue.take(for: 0, now: now, expired: &expired)
        #expect(expired.map(\.element) == ["late"])
        #expect(expired.map(\.error) == [.deadlineExceeded])
        add("x", to: &queue, deadline: now + .seconds(1))
        #expect(queue.sweep(now: now).isEmpty)
        #expect(queue.sweep(now: now + .seconds(2)).map(\.element) == ["x"])
        #expect(queue.count == 0)
    }

    @Test func letsOperationsInBeforeTheFirstAttemptAndFailsThemWithIt() {
        var queue = queue(connections: 0)
        add("a", to: &queue)
        let failures = queue.attemptFailed(message: "refused")
        #expect(failures.map(\.error) == [.unavailable(message: "refused", outcomeUnknown: false)])
        #expect(add("b", to: &queue) == nil, "fails at once while there is no connection")
        queue.connectionOpened(0)
        #expect(add("c", to: &queue) != nil)
        #expect(take(&queue) == ["c"])
    }

    @Test func failsTheQueueWithTheLastConnectionOnly() {
        var queue = queue(connections: 2)
        add("a", to: &queue)
        #expect(queue.connectionLost(0, message: "gone", heldUntil: now).failures.isEmpty)
        #expect(queue.connectionLost(1, message: "lost", heldUntil: now).failures.isEmpty)
        #expect(queue.unavailableReason == "lost")
        #expect(add("b", to: &queue) != nil, "it waits for the next attempt")
        #expect(queue.attemptFailed(message: "gone").map(\.element) == ["a", "b"])
        #expect(queue.unavailableReason == "gone")
        #expect(add("c", to: &queue) == nil)
    }

    @Test func runsReadsOfALostConnectionOnceMore() {
        var queue = queue()
        add("read", to: &queue)
        var expired: [Queue.Failure] = []
        guard case .batch(let batch) = queue.take(for: 0, now: now, expired: &expired) else {
            Issue.record("no batch")
            return
        }
        let until = now + .seconds(2)
        #expect(queue.connectionLost(0, message: "gone", retry: batch, heldUntil: until).failures.isEmpty)
        #expect(queue.attemptFailed(message: "refused").isEmpty, "held over a failed attempt")
        queue.connectionOpened(0)
        add("other", to: &queue)
        guard case .batch(let again) = queue.take(for: 0, now: now, expired: &expired) else {
            Issue.record("no batch")
            return
        }
        #expect(again.map(\.element) == ["read", "other"])
        let lost = queue.connectionLost(0, message: "again", retry: again, heldUntil: until)
        #expect(lost.failures.map(\.element) == ["read"], "a second time is the last; the other runs once more")
        #expect(queue.sweep(now: until).map(\.element) == ["other"])
    }

    @Test func drainsThenFinishes() {
        var queue = queue()
        add("a", to: &queue)
        #expect(queue.drain().isEmpty)
        guard case .refused(.shutdown) = queue.enqueue("b", cost: 1, deadline: nil, affinity: .any) else {
            Issue.record("let in")
            return
        }
        #expect(take(&queue) == ["a"])
        var expired: [Queue.Failure] = []
        guard case .finished = queue.take(for: 0, now: now, expired: &expired) else {
            Issue.record("not finished")
            return
        }
    }

    @Test func closesWithWhatWaits() {
        var queue = queue()
        add("a", to: &queue)
        #expect(queue.drain().isEmpty)
        #expect(queue.close().map(\.error) == [.shutdown])
    }

    @Test func whatIsPutAsideIsTriedOnItsOwnAndInItsOrder() {
        var queue = queue()
        for (name, lock) in [("a", 1), ("b", 2), ("c", 1)] as [(String, UInt64)] {
            _ = queue.enqueue(name, cost: 10, deadline: nil, affinity: .any, lock: lock)
        }
        let batch = entries(&queue)
        #expect(queue.putAside([batch[2], batch[0]], now: now).isEmpty)
        _ = queue.enqueue("d", cost: 10, deadline: nil, affinity: .any, lock: 1)
        _ = queue.enqueue("e", cost: 10, deadline: nil, affinity: .any, lock: 2)
        #expect(take(&queue) == ["e"], "what comes later for the lock joins those that were put aside")
        #expect(queue.queued == 3 && queue.hasHeldLocks)
        let later = now + .milliseconds(200)
        var expired: [Queue.Failure] = []
        guard case .trial(let trial) = queue.take(for: 0, now: later, expired: &expired) else {
            Issue.record("no trial")
            return
        }
        #expect(trial.map(\.element) == ["a"])
        #expect(queue.nextTrial == nil, "the others wait for it")
        queue.lockFreed(1)
        add("f", to: &queue)
        #expect(take(&queue, at: later) == ["c", "d", "f"])
        #expect(!queue.hasHeldLocks && queue.queued == 0)
    }

    @Test func aLockThatIsHeldOnIsTriedLessAndLess() {
        var queue = queue()
        _ = queue.enqueue("a", cost: 10, deadline: nil, affinity: .any, lock: 1)
        var batch = entries(&queue)
        var (time, pauses) = (now, [Duration]())
        while queue.putAside(batch, now: time).isEmpty {
            let next = queue.nextTrial ?? time
            pauses.append(next - time)
            time = next
            var expired: [Queue.Failure] = []
            guard case .trial(let trial) = queue.take(for: 0, now: time, expired: &expired) else { break }
            batch = trial
        }
        #expect(pauses.allSatisfy { $0 <= .seconds(1) } && pauses.count >= 5 && pauses.count < 40)
        #expect(time >= now + .seconds(5), "and answered in the end")
        #expect(queue.queued == 0 && queue.nextTrial == nil)
    }

    /// Operations that come for a lock one after the other, each when the one before has given up, do not each wait within a batch.
    @Test func aLockIsKnownForAWhileAfterItsLastOperationHasGivenUp() {
        var queue = queue()
        _ = queue.enqueue("a", cost: 10, deadline: now + .seconds(1), affinity: .any, lock: 1)
        let batch = entries(&queue)
        _ = queue.putAside(batch, now: now)
        #expect(queue.sweep(now: now + .seconds(1)).map(\.element) == ["a"])
        #expect(queue.nextTrial == nil, "there is nothing to try")
        _ = queue.enqueue("b", cost: 10, deadline: nil, affinity: .any, lock: 1)
        #expect(take(&queue, at: now + .seconds(1)) == [], "it is put aside")
        var expired: [Queue.Failure] = []
        guard case .trial(let trial) = queue.take(for: 0, now: now + .seconds(1), expired: &expired) else {
            Issue.record("not tried at once")
            return
        }
        _ = queue.putAside(trial, now: now + .seconds(1))
        #expect(queue.cancel(trial[0].id) == "b")
        #expect(queue.sweep(now: now + .seconds(3)).isEmpty && queue.hasHeldLocks)
        #expect(queue.sweep(now: now + .seconds(5)).isEmpty && !queue.hasHeldLocks, "forgotten")
        _ = queue.drain()
        #expect(queue.close().isEmpty)
    }

    @Test func othersGoBetweenTrials() {
        var queue = queue(queued: 100)
        for lock in 0..<20 { _ = queue.enqueue("\(lock)", cost: 1, deadline: nil, affinity: .any, lock: UInt64(lock)) }
        while true {
            let batch = entries(&queue)
            if batch.isEmpty { break }
            _ = queue.putAside(batch, now: now)
        }
        add("x", to: &queue)
        add("y", to: &queue)
        let later = now + .seconds(1)
        var (kinds, expired) = ([String](), [Queue.Failure]())
        for _ in 0..<5 {
            switch queue.take(for: 0, now: later, expired: &expired) {
            case .trial(let entries):
                kinds.append("trial of \(entries.count)")
                _ = queue.putAside(entries, now: later)
            case .batch(let entries): kinds.append("batch of \(entries.count)")
            default: kinds.append("idle")
            }
        }
        #expect(kinds == ["trial of 8", "batch of 2", "trial of 8", "trial of 4", "idle"])
    }

    @Test func whatIsPutAsideIsCancelledLateAndClosedLikeTheRest() {
        var queue = queue()
        for (name, seconds) in [("a", 9), ("b", 1), ("c", 9), ("d", 9)] {
            _ = queue.enqueue(name, cost: 10, deadline: now + .seconds(seconds), affinity: .any, lock: 1)
        }
        let batch = entries(&queue)
        _ = queue.putAside(batch, now: now)
        #expect(queue.cancel(batch[2].id) == "c")
        #expect(queue.sweep(now: now + .seconds(2)).map(\.error) == [.deadlineExceeded])
        #expect(queue.sweep(now: now + .seconds(5)).map(\.error) == [.lockHeld, .lockHeld])
        #expect(queue.queued == 0)
        _ = queue.putAside([batch[0]], now: now)
        #expect(queue.close().map(\.element) == ["a"])
    }

    /// Against a plain list: order, cancellation and counting over long use, across the giving back of places.
    @Test func behavesAsAPlainList() {
        var generator = SeededGenerator(seed: 7)
        var queue = queue(operations: 8, bytes: 1 << 20, queued: 5000)
        var model: [(id: Queue.ID, name: String)] = []
        for step in 0..<50_000 {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<6:
                if let (id, _) = add("\(step)", to: &queue, cost: 1) { model.append((id, "\(step)")) }
            case 6..<8:
                if let index = model.indices.randomElement(using: &generator) {
                    #expect(queue.cancel(model[index].id) == model[index].name)
                    model.remove(at: index)
                }
            default:
                #expect(take(&queue) == model.prefix(8).map(\.name))
                model.removeFirst(min(8, model.count))
            }
            #expect(queue.count == model.count)
        }
    }
}
