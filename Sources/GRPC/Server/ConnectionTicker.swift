import NIOCore

/// What the connections of one event loop share.
struct ConnectionShare: Sendable {
    let work: SlicedWork
    let ticker: NIOLoopBoundBox<ConnectionTicker>

    init(_ eventLoop: any EventLoop, watch: EventLoopWatch?) {
        work = SlicedWork(eventLoop, watch: watch)
        ticker = .makeBoxSendingValue(ConnectionTicker(work), eventLoop: eventLoop)
    }
}

/// Calls `tick` of each connection of an event loop about once a second. A timer for each connection would cost too much: to cancel one,
/// NIO searches all timers of the event loop, which thousands of connections that close at once would make it do thousands of times in one
/// turn.
///
/// Lives on the event loop.
final class ConnectionTicker {
    /// The connections' ticks are spread over a second in so many parts, instead of all coming at once.
    private static let parts = 16

    private let work: SlicedWork
    private var connections = [[ObjectIdentifier: ServerConnectionHandler]](repeating: [:], count: parts)
    private var count = 0
    /// The part that ticks next.
    private var part = 0
    private var isScheduled = false

    init(_ work: SlicedWork) { self.work = work }

    func add(_ connection: ServerConnectionHandler, on eventLoop: NIOIsolatedEventLoop) {
        let id = ObjectIdentifier(connection)
        connections[Self.part(of: id)][id] = connection
        count += 1
        if !isScheduled { schedule(on: eventLoop) }
    }

    /// Does nothing for a connection that was removed before.
    func remove(_ connection: ServerConnectionHandler) {
        let id = ObjectIdentifier(connection)
        if connections[Self.part(of: id)].removeValue(forKey: id) != nil { count -= 1 }
    }

    private static func part(of id: ObjectIdentifier) -> Int { Int(UInt(bitPattern: id.hashValue) % UInt(parts)) }

    private func schedule(on eventLoop: NIOIsolatedEventLoop) {
        isScheduled = count > 0
        guard isScheduled else { return }
        eventLoop.scheduleTask(in: .nanoseconds(1_000_000_000 / Int64(Self.parts))) { self.tell(eventLoop) }
    }

    private func tell(_ eventLoop: NIOIsolatedEventLoop) {
        let told = Array(connections[part].values)
        part = (part + 1) % Self.parts
        if !told.isEmpty { work.walk(told) { $0.tick() } }
        schedule(on: eventLoop)
    }
}
