import FlowStateClient
import NIOCore

/// Makes the calls of one connection, each from the completion of another or from a timer: no task, no hop, no lock.
///
/// `@unchecked Sendable`: everything mutable is touched on `eventLoop` only. `run` hops there; timers and the
/// completions of `StateClient.start` run there.
final class Lane: @unchecked Sendable {
    /// After a failed call, so that a server that refuses everything is not asked without pause.
    private static let pauseAfterFailure = TimeAmount.milliseconds(10)

    private let client: StateClient
    private let connection: Int
    private let workload: Workload
    private let schedule: Schedule
    private let eventLoop: any EventLoop
    private let finished: EventLoopPromise<Measurement>

    private var generator: SeededGenerator
    private var measurement: Measurement
    private var inFlight = 0
    /// Of the open loop: the next call.
    private var nextCall = 0
    private var timer: Scheduled<Void>?
    private var isSending = false
    private var giveUp: Scheduled<Void>?
    private var isOver = false

    init(client: StateClient, connection: Int, workload: Workload, schedule: Schedule, seed: UInt64) {
        self.client = client
        self.connection = connection
        self.workload = workload
        self.schedule = schedule
        eventLoop = client.eventLoop(connection: connection)
        finished = eventLoop.makePromise()
        generator = SeededGenerator(seed: seed)
        measurement = Measurement(start: schedule.measureFrom)
    }

    /// Makes the calls; succeeds when the last one is answered. Call it once.
    func run() -> EventLoopFuture<Measurement> {
        eventLoop.execute {
            if self.isOver { return }
            self.giveUp = self.eventLoop.scheduleTask(deadline: self.schedule.end + Schedule.patience) { self.abandon() }
            if self.schedule.pace == nil {
                for _ in 0..<self.schedule.slots { self.sendNext() }
            } else {
                self.sendDue()
            }
        }
        return finished.futureResult
    }

    /// Waits for no more answers.
    func stop() { eventLoop.execute { self.finish() } }

    private func abandon() {
        let operation: Operation = workload.loadPercent == 100 ? .load : .save
        measurement[operation].fail("NO_ANSWER", "no answer in time", count: inFlight)
        finish()
    }

    private func finish() {
        guard !isOver else { return }
        isOver = true
        giveUp?.cancel()
        timer?.cancel()
        finished.succeed(measurement)
    }

    // MARK: Closed loop

    private func sendNext() {
        let now = NIODeadline.now()
        guard now < schedule.end, !isOver else { return finishWhenIdle() }
        send(due: now)
    }

    private func finishWhenIdle() { if inFlight == 0 { finish() } }

    // MARK: Open loop

    /// Sends what is due as far as slots are free; the rest waits, and its latency grows meanwhile.
    private func sendDue() {
        // A call that fails at once comes back here from inside the loop below.
        guard let pace = schedule.pace, !isSending, !isOver else { return }
        isSending = true
        defer { isSending = false }
        let now = NIODeadline.now()
        guard now < schedule.end else {
            timer?.cancel()
            if measurement.unsent == 0 { measurement.unsent = schedule.unsent(from: nextCall, pace) }
            return finishWhenIdle()
        }
        while inFlight < schedule.slots, case let due = schedule.due(nextCall, pace), due <= now {
            nextCall += 1
            send(due: due)
        }
        if inFlight < schedule.slots {
            timer?.cancel()
            let next = min(schedule.due(nextCall, pace), schedule.end)
            timer = eventLoop.scheduleTask(deadline: next) { self.sendDue() }
        }
    }

    // MARK: Calls

    private func send(due: NIODeadline) {
        inFlight += 1
        switch workload.pickOperation(using: &generator) {
        case .load:
            client.start(.loadState, workload.load(using: &generator), connection: connection) { result in
                self.answered(.load, due: due, result.map { _ in })
            }
        case .save:
            client.start(.saveState, workload.save(using: &generator), connection: connection) { result in
                self.answered(.save, due: due, result.map { _ in })
            }
        }
    }

    private func answered(_ operation: Operation, due: NIODeadline, _ result: Result<Void, ClientError>) {
        guard !isOver else { return }
        let now = NIODeadline.now()
        if due >= schedule.measureFrom {
            measurement.lastAnswer = max(measurement.lastAnswer, now)
            switch result {
            case .success: measurement[operation].record(now - due)
            case .failure(let error): measurement[operation].record(error)
            }
        }
        if case .failure = result, schedule.pace == nil {
            eventLoop.scheduleTask(in: Self.pauseAfterFailure) { self.release() }
        } else {
            release()
        }
    }

    private func release() {
        inFlight -= 1
        if schedule.pace == nil { sendNext() } else { sendDue() }
    }
}
