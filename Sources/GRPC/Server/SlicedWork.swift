import Logging
import NIOCore
import NIOPosix
import Resources
import Synchronization

/// An event loop's work that can wait and may be long: the end of connections and of their calls, the rest of large responses, what other
/// threads have for calls. Between its slices (`SliceQueue`) the event loop does everything else. Safe on any thread.
///
/// Tasks of NIO would not do: a turn of its event loop lasts until no task is due, including those that were added meanwhile.
package final class SlicedWork: Sendable {
    /// A struct, since a bare closure would be wrapped once more each time it passes through the generic queue.
    private struct Job: Sendable {
        let step: @Sendable () -> Bool
    }

    private let eventLoop: any EventLoop
    private let watch: EventLoopWatch?
    private let queue = Mutex(SliceQueue<Job>())

    /// - Parameter watch: counts the turns of the event loop.
    init(_ eventLoop: any EventLoop, watch: EventLoopWatch?) {
        self.eventLoop = eventLoop
        self.watch = watch
    }

    /// Calls `step` on the event loop until it returns false: at once in the next turn, as far as that turn has time for work from other
    /// threads, and then in slices. From the event loop itself: in slices only.
    package func executeSteps(_ step: @escaping @Sendable () -> Bool) {
        // One read may have brought hundreds of calls that are refused now.
        if eventLoop.inEventLoop { return add(step) }
        eventLoop.execute {
            let now = NIODeadline.now()
            let end = self.queue.withLock { $0.timeBefore(turn: self.watch?.turn, now: now) }
            guard now < end else { return self.add(step) }
            let isDone = DeferredSignals.during {
                var steps = 0
                while step() {
                    steps += 1
                    // The clock costs about as much as the simplest step.
                    if steps % 4 == 0, NIODeadline.now() >= end { return false }
                }
                return true
            }
            if !isDone { self.add(step) }
        }
    }

    /// Runs `body` once, as a job behind those that are there.
    package func execute(_ body: @escaping @Sendable () -> Void) {
        add {
            body()
            return false
        }
    }

    /// Adds a job.
    /// - Parameter step: runs one step on the event loop; returns true when there are more.
    func add(_ step: @escaping @Sendable () -> Bool) {
        if let begin = queue.withLock({ $0.add(Job(step: step)) }) { schedule(begin) }
    }

    private func schedule(_ begin: NIODeadline) {
        if begin <= .now() {
            eventLoop.execute { self.slice() }
        } else {
            eventLoop.scheduleTask(deadline: begin) { self.slice() }
        }
    }

    private func slice() {
        var now = NIODeadline.now()
        if let later = queue.withLock({ $0.begin(turn: watch?.turn, now: now) }) { return schedule(later) }
        DeferredSignals.during {
            while let job = queue.withLock({ $0.next(now: now) }) {
                if job.step() { queue.withLock { $0.putBack(job) } }
                now = .now()
            }
        }
        if let next = queue.withLock({ $0.end(now: .now()) }) { schedule(next) }
    }
}

extension SlicedWork {
    /// Adds a job. Must be called on the event loop.
    func addHere(_ step: @escaping () -> Bool) {
        let step = NIOLoopBound(step, eventLoop: eventLoop)
        add { step.value() }
    }

    /// Runs `body` for each element, and `then` after the last one. What the closures and the elements hold is released in slices too. Must
    /// be called on the event loop.
    func walk<Element>(_ elements: [Element], then: @escaping () -> Void = {}, _ body: @escaping (Element) -> Void) {
        let walk = Walk(elements, body, then)
        addHere { walk.step() }
    }
}

/// A walk through many elements, the last one first.
private final class Walk<Element> {
    private var rest: [Element]
    private let body: (Element) -> Void
    private let then: () -> Void

    init(_ elements: [Element], _ body: @escaping (Element) -> Void, _ then: @escaping () -> Void) {
        rest = elements
        self.body = body
        self.then = then
    }

    /// Returns false when it was the last step.
    func step() -> Bool {
        guard let element = rest.popLast() else {
            then()
            return false
        }
        body(element)
        return true
    }
}

/// An event loop's jobs that can wait, of many small steps each. They run in slices, at most one slice a turn, and take turns, a step each.
/// Pure: time comes in as a value.
struct SliceQueue<Job> {
    /// The length of a slice; the step in which it passes is the last one.
    static var slice: TimeAmount { .microseconds(500) }
    /// How long one piece of work from another thread runs at once, and all of them in a turn (`open`): enough for two batches of ordinary
    /// responses. To cut those costs a tenth of the throughput of loads, since the next batches are smaller then.
    static var piece: TimeAmount { .milliseconds(1) }
    static var open: TimeAmount { .milliseconds(2) }
    /// The time until the next slice, which also waits until the event loop has looked at its sockets.
    static var pause: TimeAmount { .microseconds(50) }

    private var jobs = CircularBuffer<Job>()
    /// A slice is under way or scheduled.
    private var isScheduled = false
    private var sliceEnds = NIODeadline.uptimeNanoseconds(0)
    private var pauseEnds = NIODeadline.uptimeNanoseconds(0)
    /// The turn of the last slice.
    private var turn: UInt64?
    /// The last turn in which work from other threads ran at once, and when its time for that ends.
    private var openTurn: UInt64?
    private var openEnds = NIODeadline.uptimeNanoseconds(0)

    /// Adds a job behind the others.
    /// - Returns: when the next slice must begin; nil: it is scheduled already.
    mutating func add(_ job: Job) -> NIODeadline? {
        jobs.append(job)
        guard !isScheduled else { return nil }
        isScheduled = true
        return pauseEnds
    }

    /// Begins a slice.
    /// - Parameter turn: the event loop's turn; nil where turns are not counted.
    /// - Returns: when to try again, if this turn has had its slice.
    mutating func begin(turn: UInt64?, now: NIODeadline) -> NIODeadline? {
        if turn != nil, turn == self.turn { return now + Self.pause }
        self.turn = turn
        sliceEnds = now + Self.slice
        return nil
    }

    /// The end of the time in which work from another thread runs at once. A turn's time begins with its first such work.
    mutating func timeBefore(turn: UInt64?, now: NIODeadline) -> NIODeadline {
        if turn == nil || turn != openTurn { (openTurn, openEnds) = (turn, now + Self.open) }
        return min(openEnds, now + Self.piece)
    }

    /// The job whose step is next; nil: the slice is over.
    mutating func next(now: NIODeadline) -> Job? { now < sliceEnds ? jobs.popFirst() : nil }

    /// Puts a job with more steps behind the others.
    mutating func putBack(_ job: Job) { jobs.append(job) }

    /// Ends a slice.
    /// - Returns: when the next one must begin, if there is something to do.
    mutating func end(now: NIODeadline) -> NIODeadline? {
        pauseEnds = now + Self.pause
        isScheduled = !jobs.isEmpty
        return isScheduled ? pauseEnds : nil
    }
}

/// Measures the turns of event loops: how long one connection's bytes, or the waiting tasks, delay all other calls. Give it to the
/// `MultiThreadedEventLoopGroup` as its delegate and to the server's configuration. Safe on any thread.
///
/// Measured by the clock, a turn includes time in which the thread did not run. With `countsProcessorTime` it does not, at the price of a
/// system call per turn.
package final class EventLoopWatch: NIOEventLoopMetricsDelegate, Sendable {
    /// Turns of this length or more are logged, at most once a minute.
    static let warnsFrom = TimeAmount.milliseconds(50)

    private let logger: Logger
    private let countsProcessorTime: Bool
    private let longestNanoseconds = Atomic<Int64>(0)
    private let warning = RareLine("an event loop was busy: every call on it waited")
    /// The mark of the current thread's event loop.
    private let marks = ThreadSpecificVariable<Mark>()

    private final class Mark: Sendable {
        /// The processor time of the thread when its last turn ended.
        let nanoseconds = Atomic<Int64>(0)
        let turn = Atomic<UInt64>(0)
    }

    package init(logger: Logger, countsProcessorTime: Bool = false) {
        self.logger = logger
        self.countsProcessorTime = countsProcessorTime
    }

    /// The longest turn so far.
    package var longest: TimeAmount { .nanoseconds(longestNanoseconds.load(ordering: .relaxed)) }

    /// The number of the current turn of this thread's event loop, which looks at its sockets between turns. Nil: no turn was reported yet.
    var turn: UInt64? { marks.currentValue?.turn.load(ordering: .relaxed) }

    /// Measures the tasks of a turn; connections measure what they read (`ended(since:)`).
    package func processedTick(info: NIOEventLoopTickInfo) {
        mark.turn.add(1, ordering: .relaxed)
        ended(after: info.endTime - info.startTime)
    }

    /// A turn ended that began at `start`.
    func ended(since start: NIODeadline) { ended(after: .now() - start) }

    private func ended(after time: TimeAmount) {
        let nanoseconds = countsProcessorTime ? sinceLastMark() : time.nanoseconds
        guard nanoseconds > longestNanoseconds.load(ordering: .relaxed) || nanoseconds >= Self.warnsFrom.nanoseconds else { return }
        longestNanoseconds.max(nanoseconds, ordering: .relaxed)
        if nanoseconds >= Self.warnsFrom.nanoseconds { warning.say(logger, ["milliseconds": "\(nanoseconds / 1_000_000)"]) }
    }

    /// The thread's processor time since its last turn, all of which counts as this turn's.
    private func sinceLastMark() -> Int64 {
        let now = WorkerThread.processorNanoseconds
        let last = mark.nanoseconds.exchange(now, ordering: .relaxed)
        return last == 0 ? 0 : now - last
    }

    private var mark: Mark {
        if let known = marks.currentValue { return known }
        let new = Mark()
        marks.currentValue = new
        return new
    }
}
