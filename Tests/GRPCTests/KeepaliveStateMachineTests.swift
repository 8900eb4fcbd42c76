import NIOCore
import Testing

@testable import GRPC

@Suite struct KeepaliveStateMachineTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private let noCalls = KeepaliveStateMachine.Signs()
    private let oneCall = KeepaliveStateMachine.Signs(calls: 1)

    private func life(_ change: (inout ServerConfiguration) -> Void = { _ in }, hasSpoken: Bool = true) -> KeepaliveStateMachine {
        var configuration = ServerConfiguration()
        configuration.keepaliveInterval = .minutes(2)
        configuration.idleTimeout = .minutes(30)
        change(&configuration)
        var life = KeepaliveStateMachine(configuration, now: start)
        if hasSpoken { life.handshakeDone() }
        return life
    }

    @Test func aSilentClientIsClosedAfterTheHandshakeTimeout() {
        var life = life(hasSpoken: false)
        #expect(life.tick(now: start + .seconds(9), noCalls) == .none)
        life.heardFromPeer(now: start + .seconds(9))
        #expect(life.tick(now: start + .seconds(10), noCalls) == .close(reason: "no HTTP/2 preface came"))
    }

    @Test func aQuietClientWithCallsIsPingedThenClosed() {
        var life = life()
        #expect(life.tick(now: start + .seconds(119), oneCall) == .none)
        #expect(life.tick(now: start + .seconds(120), oneCall) == .ping)
        #expect(life.tick(now: start + .seconds(139), oneCall) == .none)
        #expect(life.tick(now: start + .seconds(140), oneCall) == .close(reason: "a PING was not answered"))
    }

    /// Whatever it sends: only calls count.
    @Test func aConnectionWithoutCallsIsClosed() {
        var life = life()
        life.called(now: start + .minutes(10))
        for minute in stride(from: Int64(10), to: 40, by: 1) {
            life.heardFromPeer(now: start + .minutes(minute))
            #expect(life.tick(now: start + .minutes(minute), noCalls) == .none)
        }
        #expect(life.tick(now: start + .minutes(40), noCalls) == .close(reason: "idle"))
    }

    @Test func aHeaderSectionMustEnd() {
        var life = life()
        for (second, section, isLate) in [
            (1, 1, false), (10, 1, false), (11, nil, false), (12, 2, false), (21, 3, false), (30, 3, false), (31, 3, true),
        ] as [(Int64, Int?, Bool)] {
            let action = life.tick(now: start + .seconds(second), KeepaliveStateMachine.Signs(openSection: section))
            #expect((action == .close(reason: "a header section did not end in time")) == isLate, "after \(second) s")
        }
    }

    @Test func aClientThatReadsNothingIsClosed() {
        var life = life()
        let unread = KeepaliveStateMachine.Signs(calls: 1, waitingForSocket: 200_000, takenBySocket: 1_000_000)
        #expect(life.tick(now: start, unread) == .none)
        #expect(life.tick(now: start + .seconds(29), unread) == .none)
        #expect(life.tick(now: start + .seconds(30), unread) == .close(reason: "its client does not read"))
    }

    @Test func anOldConnectionTakesNoNewCalls() {
        var life = life {
            $0.connectionAge = .minutes(20)
            $0.connectionAgeGrace = .minutes(1)
        }
        life.called(now: start + .minutes(19))
        #expect(life.tick(now: start + .minutes(19), noCalls) == .none)
        #expect(life.tick(now: start + .minutes(20), oneCall) == .announceShutdown)
        life.heardFromPeer(now: start + .minutes(20))
        #expect(life.pingAcknowledged(now: start + .minutes(20)) == .goAway)
        #expect(life.tick(now: start + .minutes(20) + .seconds(59), oneCall) == .none)
        #expect(life.tick(now: start + .minutes(21), oneCall) == .close(reason: "its calls took longer than an old connection may"))
    }

    @Test func shutdownDoesNotWaitForAClientThatSaidNothing() {
        var life = life(hasSpoken: false)
        #expect(life.shutdown() == .close(reason: "shutting down before the client said anything"))
    }

    @Test func shutdownWaitsForTheRoundTrip() {
        var life = life()
        #expect(life.shutdown() == .announceShutdown)
        #expect(life.shutdown() == .none)
        #expect(life.pingAcknowledged(now: start) == .goAway)
        #expect(life.pingAcknowledged(now: start) == .none)
    }
}

@Suite struct ReaderWatchTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    /// Asks the watch in that second, with a reader that has 30 s.
    private func isStalled(_ watch: inout ReaderWatch, second: Int, waiting: Int, taken: Int) -> Bool {
        watch.isStalled(waiting: waiting, taken: taken, now: start + .seconds(Int64(second)), timeout: .seconds(30))
    }

    /// Bytes taken in each second of a minute, and whether that is reading: the least is 64 KiB in 30 s.
    @Test(arguments: [(0, false), (1, false), (2_000, false), (2_300, true), (1 << 20, true)])
    func aReaderTakesALeastNumberOfBytes(_ perSecond: Int, _ isReading: Bool) {
        var watch = ReaderWatch()
        let stalled = (0...60).contains { isStalled(&watch, second: $0, waiting: 64 << 20, taken: $0 * perSecond) }
        #expect(stalled != isReading)
    }

    @Test func theLastBytesAreEnough() {
        var watch = ReaderWatch()
        #expect(!isStalled(&watch, second: 0, waiting: 10, taken: 0))
        #expect(!isStalled(&watch, second: 29, waiting: 500, taken: 10))
        #expect(!isStalled(&watch, second: 58, waiting: 500, taken: 10))
        #expect(isStalled(&watch, second: 59, waiting: 500, taken: 10))
    }

    @Test func aReaderIsNotLateWhileNothingWaits() {
        var watch = ReaderWatch()
        #expect(!isStalled(&watch, second: 0, waiting: 5, taken: 0))
        #expect(!isStalled(&watch, second: 20, waiting: 0, taken: 0))
        #expect(!isStalled(&watch, second: 40, waiting: 5, taken: 0))
    }
}
