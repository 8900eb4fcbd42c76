import NIOCore

/// Makes the calls of one connection. Nothing here waits: `Worker` says when there is something to read, or time for a turn.
final class ConnectionLoad {
    /// The pause after a failed call, so that a server that refuses everything is not called without pause.
    private static let pauseAfterFailure: Int64 = 10_000_000
    /// The most bytes that are read at once, and that may wait to be written.
    private static let chunk = 256 << 10

    let socket: Socket
    private let connection: CallConnection
    private let generator: any CallGenerator
    private let schedule: Schedule
    private var random: SeededGenerator
    private let recorder: Recorder

    private var input = ByteBuffer()
    /// Bytes to read at once: doubled when they are not enough, since a thousand connections need as many buffers.
    private var readSize = 16 << 10
    private var answers: [Answer] = []
    private var draft = Draft()
    /// Slots that wait for an answer or for the end of a pause.
    private var busy = 0
    private var pauses = CircularBuffer<Int64>()
    /// The number of the open loop's next call.
    private var nextCall = 0
    private var unsentAreCounted = false
    /// The call generator had no call; it may have more after an answer.
    private var isExhausted = false
    private var lastRead: Int64
    private(set) var isOver = false
    /// The socket took only a part of the output.
    private(set) var wantsToWrite = false

    init(
        socket: Socket, connection: CallConnection, generator: any CallGenerator, schedule: Schedule, recorder: Recorder, seed: UInt64
    ) {
        (self.socket, self.connection, self.generator, self.schedule) = (socket, connection, generator, schedule)
        self.recorder = recorder
        random = SeededGenerator(seed: seed)
        lastRead = schedule.start
    }

    /// When `turn` must be called although nothing arrived.
    var wakeTime: Int64 {
        var time = patienceEnds
        if let pause = pauses.first { time = min(time, pause) }
        if let pace = schedule.pace, busy < schedule.slots, !isExhausted {
            time = min(time, schedule.due(nextCall, pace), schedule.end)
        }
        return time
    }

    // MARK: Turns

    /// Takes in what has arrived.
    func read() {
        while !isOver {
            input.clear()
            switch socket.read(into: &input, limit: readSize) {
            case .wouldBlock: return
            case .closed: return lost("the server closed the connection")
            case .done(let count):
                do {
                    try connection.receive(input, &answers)
                } catch {
                    return lost("\(error)")
                }
                takeAnswers(at: monotonicNow())
                if count < readSize { return }
                readSize = min(readSize * 2, Self.chunk)
            }
        }
    }

    /// Starts the calls that are due, and sends them.
    func turn() {
        guard !isOver else { return }
        let now = monotonicNow()
        while let pause = pauses.first, pause <= now {
            pauses.removeFirst()
            busy -= 1
        }
        if schedule.pace == nil { fillSlots(now) } else { sendDue(now) }
        write()
        if busy == 0, isExhausted || now >= schedule.end { isOver = true }
        abandonIfLate(now)
    }

    private func write() {
        while true {
            do {
                try connection.fillOutput(limit: Self.chunk)
            } catch {
                return lost("\(error)")
            }
            wantsToWrite = false
            guard connection.output.readableBytes > 0 else { return }
            switch socket.write(from: &connection.output) {
            case .closed: return lost("the server closed the connection")
            case .wouldBlock: wantsToWrite = true
            case .done: wantsToWrite = connection.output.readableBytes > 0
            }
            if wantsToWrite {
                connection.output.discardReadBytes()
                return
            }
            connection.output.clear()
        }
    }

    // MARK: Calls

    private func fillSlots(_ now: Int64) {
        guard now < schedule.end else { return }
        while busy < schedule.slots, !isExhausted, !isOver { start(due: nil) }
    }

    /// Sends the calls that are due as far as slots are free; the others wait, and their latency grows meanwhile.
    private func sendDue(_ now: Int64) {
        guard let pace = schedule.pace, now < schedule.end else {
            if let pace = schedule.pace, !unsentAreCounted {
                unsentAreCounted = true
                recorder.measurement.unsent += schedule.unsent(from: nextCall, pace)
            }
            return
        }
        while busy < schedule.slots, !isExhausted, !isOver, case let due = schedule.due(nextCall, pace), due <= now {
            nextCall += 1
            start(due: due)
        }
    }

    /// - Parameter due: nil for the time when the request has been written.
    private func start(due: Int64?) {
        guard var call = generator.next(&draft, using: &random) else {
            isExhausted = true
            return
        }
        call.due = due ?? monotonicNow()
        busy += 1
        do {
            try connection.start(call, draft)
        } catch {
            lost("\(error)")
        }
    }

    private func takeAnswers(at now: Int64) {
        lastRead = now
        for answer in answers {
            let verdict = generator.verdict(answer)
            if answer.call.due >= schedule.measureFrom {
                recorder.measurement.lastAnswer = max(recorder.measurement.lastAnswer, now)
                switch verdict {
                case .done(let operation): recorder.measurement[operation].record(nanoseconds: now - answer.call.due)
                case .failed(let refusal):
                    recorder.measurement[answer.call.operation].fail(refusal.reason, refusal.message, count: 1)
                }
            }
            if case .failed = verdict, schedule.pace == nil {
                pauses.append(now + Self.pauseAfterFailure)
            } else {
                busy -= 1
            }
        }
        if !answers.isEmpty { isExhausted = false }
        answers.removeAll(keepingCapacity: true)
    }

    private func lost(_ reason: String) {
        // During the warm-up it does not count as a failure, but it must be shown.
        Console.note("a connection is lost: \(reason)")
        connection.close(Refusal("UNAVAILABLE", reason), &answers)
        takeAnswers(at: monotonicNow())
        isOver = true
    }

    /// Without an end, patience starts again with every answer.
    private var patienceEnds: Int64 { (schedule.end == .max ? lastRead : schedule.end) + Schedule.patience }

    private func abandonIfLate(_ now: Int64) {
        guard now >= patienceEnds, !isOver else { return }
        connection.close(Refusal("NO_ANSWER", "no answer in time"), &answers)
        takeAnswers(at: now)
        isOver = true
    }
}
