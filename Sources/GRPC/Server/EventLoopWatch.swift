import Logging
import NIOCore
import NIOPosix
import Resources
import Synchronization

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
