import Logging
import NIOCore
import NIOPosix
import Resources
import Synchronization

/// Measures the turns of event loops: what one connection's bytes, or the tasks that wait, keep everybody else waiting. Give it to the
/// `MultiThreadedEventLoopGroup` as its delegate and to the server's configuration. Safe on any thread.
///
/// By the clock a turn includes what the machine takes away from the thread. With `countsProcessorTime` it does not, at the price of a
/// system call a turn.
package final class EventLoopWatch: NIOEventLoopMetricsDelegate, Sendable {
    /// A turn from this length on is told, at most once a minute.
    static let warnsFrom = TimeAmount.milliseconds(50)

    private let logger: Logger
    private let countsProcessorTime: Bool
    private let longestNanoseconds = Atomic<Int64>(0)
    private let warning = RareLine("an event loop was busy: every call on it waited")
    /// What is known of the event loop of this thread.
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

    /// Counts the turns of the event loop whose thread asks: from one to the next it looks at its sockets. Nil: nobody told of one.
    var turn: UInt64? { marks.currentValue?.turn.load(ordering: .relaxed) }

    /// The tasks of a turn; what comes from sockets is measured by the connections.
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

    /// Whatever the thread has done since its last turn belongs to this one.
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
