import NIOCore
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
            var steps = 0
            while step() {
                steps += 1
                // The clock costs about as much as the simplest step.
                if steps % 4 == 0, NIODeadline.now() >= end { return self.add(step) }
            }
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
        while let job = queue.withLock({ $0.next(now: now) }) {
            if job.step() { queue.withLock { $0.putBack(job) } }
            now = .now()
        }
        ProcessSettings.sortFreedBlocks()
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
