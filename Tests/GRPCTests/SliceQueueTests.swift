import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import GRPC

@Suite struct SliceQueueTests {
    private typealias Queue = SliceQueue<String>
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test func theFirstJobAsksForASliceAtOnce() throws {
        var queue = Queue()
        let asked = queue.add("a")
        #expect(try #require(asked) <= Self.start)
        let again = queue.add("b")
        #expect(again == nil, "the slice that was asked for does both")
    }

    @Test func jobsTakeTurnsUntilTheSliceIsOver() {
        var queue = Queue()
        var now = Self.start
        for job in ["a", "b", "c"] { _ = queue.add(job) }
        #expect(queue.begin(turn: 1, now: now) == nil)
        var order: [String] = []
        while let job = queue.next(now: now) {
            order.append(job)
            // "b" has a single step.
            if job != "b" { queue.putBack(job) }
            now = now + Queue.slice / 5
        }
        #expect(order == ["a", "b", "c", "a", "c"])
        #expect(queue.end(now: now) == now + Queue.pause, "there is more")
    }

    @Test(arguments: [0, 1])
    func theStepInWhichTheTimePassesIsTheLast(late: Int64) {
        var queue = Queue()
        _ = (queue.add("a"), queue.add("b"))
        _ = queue.begin(turn: nil, now: Self.start)
        #expect(queue.next(now: Self.start) == "a")
        let end = Self.start + Queue.slice
        #expect(queue.next(now: end + .nanoseconds(late)) == nil)
        #expect(queue.end(now: end) == end + Queue.pause)
        #expect(queue.begin(turn: nil, now: end + Queue.pause) == nil)
        #expect(queue.next(now: end + Queue.pause) == "b")
    }

    @Test func aTurnHasOneSlice() {
        var queue = Queue()
        _ = queue.add("a")
        #expect(queue.begin(turn: 7, now: Self.start) == nil)
        _ = queue.next(now: Self.start)
        queue.putBack("a")
        _ = queue.end(now: Self.start)
        let later = Self.start + .seconds(1)
        #expect(queue.begin(turn: 7, now: later) == later + Queue.pause)
        #expect(queue.begin(turn: 8, now: later) == nil)
    }

    @Test func whatComesSoonAfterASliceWaits() throws {
        var queue = Queue()
        _ = queue.add("a")
        _ = queue.begin(turn: 1, now: Self.start)
        #expect(queue.next(now: Self.start) == "a")
        #expect(queue.next(now: Self.start) == nil)
        #expect(queue.end(now: Self.start) == nil, "nothing is left")
        #expect(queue.add("b") == Self.start + Queue.pause)
    }

    /// Between two slices the event loop looks at its sockets, however many tasks are due.
    @Test func slicesAreInTurnsOfTheirOwn() async throws {
        let (group, loop, watch, work) = try await Self.watchedLoop()
        let turns = NIOLockedValueBox<[UInt64]>([])
        let done = loop.makePromise(of: Void.self)
        try await loop.submit {
            let steps = Array(0..<20)
            work.walk(steps, then: { done.succeed() }) { _ in
                turns.withLockedValue { $0.append(watch.turn ?? 0) }
                // A step that takes the whole slice, and a task that is due behind it for longer than the pause.
                Self.compute(for: SliceQueue<Never>.slice)
                loop.execute { Self.compute(for: SliceQueue<Never>.pause * 2) }
            }
        }.get()
        try await done.futureResult.get()
        #expect(turns.withLockedValue { Set($0).count } == 20)
        try await group.shutdownGracefully()
    }

    /// What another thread has for the event loop begins at once, and goes on in turns of its own.
    @Test func manyStepsGoInSlices() async throws {
        let (group, loop, watch, work) = try await Self.watchedLoop()
        let turns = NIOLockedValueBox<[UInt64]>([])
        let done = loop.makePromise(of: Void.self)
        work.executeSteps {
            let count = turns.withLockedValue {
                $0.append(watch.turn ?? 0)
                return $0.count
            }
            Self.compute(for: SliceQueue<Never>.slice / 4)
            if count == 40 { done.succeed() }
            return count < 40
        }
        try await done.futureResult.get()
        let ran = turns.withLockedValue { $0 }
        #expect(ran == ran.sorted() && ran.count == 40)
        #expect(Set(ran).count >= 8, "the first turn has time for eight steps and a slice, the others have a slice of four: \(ran)")
        try await group.shutdownGracefully()
    }

    /// An event loop whose turns are counted, and its sliced work.
    private static func watchedLoop() async throws -> (MultiThreadedEventLoopGroup, any EventLoop, EventLoopWatch, SlicedWork) {
        let watch = EventLoopWatch(logger: Logger(label: "test"))
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1, metricsDelegate: watch)
        let loop = group.next()
        while try await loop.submit({ watch.turn }).get() == nil {}
        return (group, loop, watch, SlicedWork(loop, watch: watch))
    }

    private static func compute(for time: TimeAmount) {
        let end = NIODeadline.now() + time
        while NIODeadline.now() < end {}
    }
}

extension TimeAmount {
    fileprivate static func / (left: TimeAmount, right: Int64) -> TimeAmount { .nanoseconds(left.nanoseconds / right) }
}
