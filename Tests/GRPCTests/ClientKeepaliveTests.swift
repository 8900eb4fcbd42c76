import Logging
import NIOCore
import NIOPosix
import Testing

@testable import GRPC

/// When a client sends PINGs, and when it gives up a connection: without I/O.
@Suite struct ClientKeepaliveStateMachineTests {
    typealias Action = ClientKeepaliveStateMachine.Action
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private func open(_ keepalive: Keepalive? = Keepalive(time: .seconds(60), timeout: .seconds(20))) -> ClientKeepaliveStateMachine {
        var machine = ClientKeepaliveStateMachine(keepalive, handshakeTimeout: .seconds(5), now: start)
        machine.heard(now: start)
        machine.handshakeDone()
        return machine
    }

    private func isClosing(_ action: Action) -> Bool { if case .close = action { true } else { false } }

    @Test(arguments: [nil, Keepalive()])
    func aServerMustBeginInTime(_ keepalive: Keepalive?) {
        var machine = ClientKeepaliveStateMachine(keepalive, handshakeTimeout: .seconds(5), now: start)
        #expect(machine.nextTick(calls: 0) == start + .seconds(5))
        // Bytes that are not its SETTINGS are not enough.
        machine.heard(now: start + .seconds(4))
        #expect(machine.tick(now: start + .milliseconds(4_999), calls: 1) == .none)
        #expect(isClosing(machine.tick(now: start + .seconds(5), calls: 1)))
    }

    @Test func aSilentServerIsAskedThenGivenUp() {
        var machine = open()
        #expect(machine.nextTick(calls: 1) == start + .seconds(60))
        #expect(machine.tick(now: start + .seconds(59), calls: 1) == .none)
        #expect(machine.tick(now: start + .seconds(60), calls: 1) == .ping)
        #expect(machine.nextTick(calls: 1) == start + .seconds(80))
        #expect(machine.tick(now: start + .seconds(79), calls: 1) == .none)
        #expect(isClosing(machine.tick(now: start + .seconds(80), calls: 1)))
    }

    @Test func whateverArrivesIsAnAnswer() {
        var machine = open()
        machine.heard(now: start + .seconds(50))
        #expect(machine.tick(now: start + .seconds(60), calls: 1) == .none)
        #expect(machine.tick(now: start + .seconds(110), calls: 1) == .ping)
        machine.heard(now: start + .seconds(129))
        #expect(machine.tick(now: start + .seconds(130), calls: 1) == .none)
        #expect(machine.tick(now: start + .seconds(189), calls: 1) == .ping)
    }

    @Test func withoutCallsItWaitsForTheNextOne() {
        var machine = open()
        #expect(machine.nextTick(calls: 0) == nil)
        #expect(machine.tick(now: start + .minutes(10), calls: 0) == .none)
        // The PING is due when the call begins.
        #expect(machine.nextTick(calls: 1).map { $0 <= start + .minutes(10) } == true)
        #expect(machine.tick(now: start + .minutes(10), calls: 1) == .ping)
        // Once it was sent the answer is waited for, whether the call goes on or not.
        #expect(isClosing(machine.tick(now: start + .minutes(11), calls: 0)))
    }

    @Test func withoutCallsIfWanted() {
        var machine = open(Keepalive(time: .seconds(60), timeout: .seconds(20), withoutCalls: true))
        #expect(machine.nextTick(calls: 0) == start + .seconds(60))
        #expect(machine.tick(now: start + .seconds(60), calls: 0) == .ping)
    }

    @Test func offIsOff() {
        var machine = open(nil)
        #expect(machine.nextTick(calls: 1) == nil)
        #expect(machine.tick(now: start + .hours(100), calls: 1) == .none)
        #expect(machine.callTimedOut(now: start + .hours(100)) == .none)
    }

    @Test func aCallThatGotNothingAsksAtOnce() {
        var machine = open()
        machine.heard(now: start + .seconds(10))
        #expect(machine.callTimedOut(now: start + .seconds(29)) == .none)
        #expect(machine.callTimedOut(now: start + .seconds(30)) == .ping)
        // One PING at a time.
        #expect(machine.callTimedOut(now: start + .seconds(31)) == .none)
        #expect(isClosing(machine.tick(now: start + .seconds(50), calls: 0)))
    }

    @Test(arguments: [TimeAmount.nanoseconds(0), .nanoseconds(-5), .nanoseconds(.max), .nanoseconds(.min)])
    func timesOfAnySizeAreTaken(_ time: TimeAmount) {
        var machine = open(Keepalive(time: time, timeout: time, withoutCalls: true))
        #expect(machine.tick(now: start, calls: 1) == .none)
        #expect(machine.tick(now: start + .hours(24), calls: 1) == .ping)
        let pace = KeepalivePace(Keepalive(time: time))
        pace.slowDown(from: time)
        #expect(pace.current?.time == KeepaliveBounds.clamp(time) * 2)
    }

    @Test func manyConnectionsSlowDownOnce() {
        let pace = KeepalivePace(Keepalive(time: .seconds(10)))
        for _ in 0..<3 { pace.slowDown(from: .seconds(10)) }
        #expect(pace.current?.time == .seconds(20))
        pace.slowDown(from: .seconds(20))
        #expect(pace.current?.time == .seconds(40))
    }

    @Test func silenceCountsOnlyWhileAllIsRead() {
        var watch = SilenceWatch(.seconds(3), now: start)
        #expect(watch.due == start + .seconds(3))
        #expect(watch.isOver(now: start + .seconds(2), isUnread: false) == false)
        #expect(watch.isOver(now: start + .seconds(3), isUnread: true) == false)
        #expect(watch.isOver(now: start + .seconds(5), isUnread: false) == false)
        watch.heard(now: start + .seconds(6))
        #expect(watch.isOver(now: start + .seconds(8), isUnread: false) == false)
        #expect(watch.isOver(now: start + .seconds(9), isUnread: false) == true)
    }
}

/// Against a real server that polices PINGs.
@Suite struct PolicedKeepaliveTests {
    @Test func aServerThatIsAskedTooOftenIsAskedLessOften() async throws {
        var policing = ServerConfiguration()
        policing.http2.pingsPerMinute = 0
        let server = Server(
            router: Router(CallTests.routes), configuration: policing, group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test"))
        let address = try #require(try await server.listen(host: "127.0.0.1", port: 0))
        var configuration = ClientConfiguration()
        configuration.keepalive = Keepalive(time: .milliseconds(20), timeout: .seconds(20))
        let client = Client(endpoint: .tcp(host: "127.0.0.1", port: address.port ?? 0), configuration: configuration)
        for doubled in [40, 80, 160] {
            let error = await #expect(throws: Status.self) {
                _ = try await client.unary("/test.Echo/Never", FramedMessage(ByteBuffer(string: "policed")))
            }
            #expect(error?.code == .unavailable)
            #expect(client.pace.current?.time == .milliseconds(Int64(doubled)))
        }
        await client.close()
        await server.shutdown(grace: .zero)
    }
}
