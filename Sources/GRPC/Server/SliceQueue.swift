import NIOCore

/// What an event loop does when it has time: jobs of many small steps, done in slices, at most one slice a turn. Pure: time comes in as a
/// value. Jobs take turns, a step each.
struct SliceQueue<Job> {
    /// So long a slice goes on; the step in which that time passes is its last one.
    static var slice: TimeAmount { .microseconds(500) }
    /// So long one piece of work from another thread is done at once, and all of a turn: long enough for two batches of ordinary answers. To
    /// cut those costs a tenth of all loads, since the next batches are smaller then.
    static var piece: TimeAmount { .milliseconds(1) }
    static var open: TimeAmount { .milliseconds(2) }
    /// The next slice begins so much later, and not before the event loop has looked at its sockets.
    static var pause: TimeAmount { .microseconds(50) }

    private var jobs = CircularBuffer<Job>()
    /// A slice is under way, or will be.
    private var isScheduled = false
    private var sliceEnds = NIODeadline.uptimeNanoseconds(0)
    private var pauseEnds = NIODeadline.uptimeNanoseconds(0)
    /// The turn of the last slice.
    private var turn: UInt64?
    /// The last turn in which work was done at once, and when its time for that is over.
    private var openTurn: UInt64?
    private var openEnds = NIODeadline.uptimeNanoseconds(0)

    /// Adds a job behind the others.
    /// - Returns: when the next slice must begin, if that is not on its way.
    mutating func add(_ job: Job) -> NIODeadline? {
        jobs.append(job)
        guard !isScheduled else { return nil }
        isScheduled = true
        return pauseEnds
    }

    /// Begins a slice.
    /// - Parameter turn: the event loop's turn; nil where nobody counts them.
    /// - Returns: when to try again, if this turn has had its slice.
    mutating func begin(turn: UInt64?, now: NIODeadline) -> NIODeadline? {
        if turn != nil, turn == self.turn { return now + Self.pause }
        self.turn = turn
        sliceEnds = now + Self.slice
        return nil
    }

    /// The end of the time in which work from another thread is done at once. A turn's time begins with its first such work.
    mutating func timeBefore(turn: UInt64?, now: NIODeadline) -> NIODeadline {
        if turn == nil || turn != openTurn { (openTurn, openEnds) = (turn, now + Self.open) }
        return min(openEnds, now + Self.piece)
    }

    /// The job whose step is next; nil: the slice is over.
    mutating func next(now: NIODeadline) -> Job? { now < sliceEnds ? jobs.popFirst() : nil }

    /// A job has more to do.
    mutating func putBack(_ job: Job) { jobs.append(job) }

    /// Ends a slice.
    /// - Returns: when the next one must begin, if there is something to do.
    mutating func end(now: NIODeadline) -> NIODeadline? {
        pauseEnds = now + Self.pause
        isScheduled = !jobs.isEmpty
        return isScheduled ? pauseEnds : nil
    }
}
