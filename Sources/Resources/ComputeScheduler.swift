import CLinux
import Glibc
import Synchronization

/// Threads for work whose size is decided by input: event loops and connections' threads leave to it whatever may take more than a
/// millisecond. Thread-safe; `submit` never blocks.
///
/// The number of threads and the queue are bounded, and callers take turns (`FairQueue`), so a caller with many jobs waits behind its own.
/// Long jobs never occupy the last thread, so short ones always have one. There are more threads than processors, so that several long jobs
/// progress side by side; the system gives the processors to event loops and connections' threads first. A job is not interrupted from
/// outside; its own budget of steps ends it, which checks the caller's deadline and `isStopping`.
package final class ComputeScheduler: Sendable {
    package enum Refusal: Error, Sendable, Equatable {
        /// The queue is full; `queued` jobs wait.
        case overloaded(queued: Int)
        /// `stop` was called.
        case stopping
    }

    /// How long a job may take.
    package enum Length: Sendable {
        /// Some ten milliseconds: work that is linear in the size of a message.
        case short
        /// Up to the budget for one call.
        case long
    }

    private let core: Core

    /// - Parameters:
    ///   - threads: At least two are started, so that long jobs leave one.
    ///   - queueLimit: Jobs that may wait, of all callers together.
    ///   - niceness: How far its threads stand back behind event loops and connections' threads (nice(1)).
    package init(threads: Int = ComputeScheduler.defaultThreads, queueLimit: Int, niceness: Int = 10) {
        core = Core(threadCount: max(threads, 2), queueLimit: queueLimit, niceness: niceness)
    }

    /// Once the last reference is gone, the threads run the jobs that wait, and end.
    deinit { core.stop() }

    /// Two per processor, at least four.
    package static var defaultThreads: Int { max(4, 2 * Int(sysconf(CInt(_SC_NPROCESSORS_ONLN)))) }

    /// Whether running jobs should end.
    package var isStopping: Bool { core.isStopping }

    /// Jobs that wait.
    package var queued: Int { core.queued }

    /// Queues a job. It is run exactly once unless this throws.
    ///
    /// - Parameters:
    ///   - caller: Callers take turns; jobs of one caller and one length begin in their order.
    package func submit(_ length: Length, caller: UInt64, _ job: @escaping @Sendable () -> Void) throws(Refusal) {
        try core.submit(isLong: length == .long, caller: caller, job)
    }

    /// Refuses new jobs, asks running ones to end (`isStopping`), and returns when all have ended, including those that waited.
    package func stop() async {
        core.stop()
        await core.threads.wait()
    }
}

/// Held by the threads, which must not keep the scheduler itself alive.
private final class Core: Sendable {
    private struct State {
        var short = FairQueue<@Sendable () -> Void>()
        var long = FairQueue<@Sendable () -> Void>()
        var runningLong = 0
        var isStarted = false
        var isStopping = false

        /// Long jobs leave one thread to the short ones.
        mutating func next(threads: Int) -> (job: @Sendable () -> Void, isLong: Bool)? {
            if runningLong < threads - 1, let job = long.popFirst() {
                runningLong += 1
                return (job, true)
            }
            return short.popFirst().map { ($0, false) }
        }
    }

    let threads = ThreadGroup()
    private let threadCount: Int
    private let queueLimit: Int
    private let niceness: Int
    private let state = Mutex(State())
    private let stopping = Atomic(false)
    private let work = Semaphore()

    init(threadCount: Int, queueLimit: Int, niceness: Int) {
        self.threadCount = threadCount
        self.queueLimit = queueLimit
        self.niceness = niceness
    }

    var isStopping: Bool { stopping.load(ordering: .relaxed) }
    var queued: Int { state.withLock { $0.short.count + $0.long.count } }

    func submit(
        isLong: Bool, caller: UInt64, _ job: @escaping @Sendable () -> Void
    ) throws(ComputeScheduler.Refusal) {
        let (refusal, mustStart) = state.withLock { state -> (ComputeScheduler.Refusal?, Bool) in
            if state.isStopping { return (.stopping, false) }
            let queued = state.short.count + state.long.count
            guard queued < queueLimit else { return (.overloaded(queued: queued), false) }
            if isLong { state.long.append(job, of: caller) } else { state.short.append(job, of: caller) }
            defer { state.isStarted = true }
            return (nil, !state.isStarted)
        }
        if let refusal { throw refusal }
        if mustStart { start() }
        work.signal()
    }

    /// At the first job: many stores in tests and tools compute nothing.
    private func start() {
        let started = (0..<threadCount).count { threads.start(name: "compute-\($0)", run) }
        // A system that refuses all threads still has this one.
        if started == 0 { run() }
    }

    private func run() {
        if niceness > 0 { _ = clinux_set_niceness(CInt(clamping: niceness)) }
        while true {
            work.wait()
            guard let (job, isLong) = state.withLock({ $0.next(threads: threadCount) }) else {
                if isStopping { break }
                // A long job must leave this thread to short ones; the thread that finishes another long job takes it (`finished`).
                continue
            }
            job()
            finished(isLong: isLong)
        }
        work.signal()
    }

    private func finished(isLong: Bool) {
        guard isLong else { return }
        let waits = state.withLock { state in
            state.runningLong -= 1
            return !state.long.isEmpty
        }
        if waits { work.signal() }
    }

    func stop() {
        state.withLock { $0.isStopping = true }
        stopping.store(true, ordering: .relaxed)
        work.signal()
    }
}
