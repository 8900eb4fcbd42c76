import NIOCore

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
