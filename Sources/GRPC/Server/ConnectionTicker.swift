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

/// Tells each connection of an event loop about once a second that time has passed. A timer a connection would not do: to cancel one, NIO
/// looks through all that the event loop has, which thousands that close at once would make it do thousands of times in one turn.
///
/// Lives on the event loop.
final class ConnectionTicker {
    /// The connections' seconds begin at so many different times, so that they are not all told at once.
    private static let parts = 16

    private let work: SlicedWork
    private var connections = [[ObjectIdentifier: ServerConnectionHandler]](repeating: [:], count: parts)
    private var count = 0
    /// To be told next.
    private var part = 0
    private var isScheduled = false

    init(_ work: SlicedWork) { self.work = work }

    func add(_ connection: ServerConnectionHandler, on eventLoop: NIOIsolatedEventLoop) {
        let id = ObjectIdentifier(connection)
        connections[Self.part(of: id)][id] = connection
        count += 1
        if !isScheduled { schedule(on: eventLoop) }
    }

    /// One that was removed before is left alone.
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
