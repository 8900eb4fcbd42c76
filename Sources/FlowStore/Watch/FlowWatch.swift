import FlowModel

/// One watch: catches up from where it starts to where the feed stands, then sends what the feed has for it; again when it falls behind.
///
/// Ten thousand may wait at a time, so what is on the way to `WatchQueue.next` takes little memory: values are here rather than in the frames
/// of functions, and what does more than wait is not inlined into them.
package final class FlowWatch: Sendable {
    private let command: WatchFlowsCommand
    private let store: StateStore
    private let context: OperationContext
    private let keys: Set<FlowKey>?
    private let reader: FeedReader
    private let interest: FeedInterest
    private let bookmarkInterval: Duration

    /// While it catches up, a watch holds one window of its own.
    private static let windowBytes = 64 << 10

    /// - Throws: what is wrong with the command.
    package init(_ command: WatchFlowsCommand, on store: StateStore, for context: OperationContext) throws(StateError) {
        try StateCheck(limits: store.limits).check(command)
        self.command = command
        self.store = store
        self.context = context
        keys = command.flowIDs.isEmpty ? nil : Set(command.flowIDs.map { FlowKey(stored: command.tenant, flowID: $0) })
        reader = FeedReader(store: store, rows: 500, bytes: Self.windowBytes)
        let isNamed = keys.map { $0.count <= FeedInterest.mostFlowIDs } ?? false
        bookmarkInterval = .milliseconds(command.bookmarkMilliseconds ?? store.limits.bookmarkMilliseconds)
        interest = FeedInterest(tenants: isNamed ? [] : [command.tenant], flowIDs: isNamed ? keys?.map(\.flowID) ?? [] : [])
    }

    /// Sends events until the task is cancelled or the server stops.
    ///
    /// - Parameter send: returns when the client has room for another event.
    /// - Throws: why it ended, or what `send` throws.
    package func run(_ send: @Sendable (WatchEvent) async throws -> Void) async throws {
        let feed = store.resources.feed
        let queue = try feed.queue(tenant: command.tenant, keys: keys, filter: command.filter, bookmarkInterval: bookmarkInterval)
        defer { feed.leave(queue) }
        let place = try await begin(queue, send)
        while true {
            if let dropped = try await follow(queue, place, send) { try await rejoin(queue, place, after: dropped, send) }
        }
    }

    /// Where the watch stands.
    private final class Place {
        var position: FeedPosition
        /// The last version that was sent, if the watch began with those of one flow.
        var sent: FlowVersion?

        init(position: FeedPosition, sent: FlowVersion?) { (self.position, self.sent) = (position, sent) }
    }

    /// Sends what is there already.
    @inline(never)
    private func begin(_ queue: WatchQueue, _ send: (WatchEvent) async throws -> Void) async throws -> Place {
        let now = try await reader.now(for: context)
        let place = Place(position: try await start(now), sent: command.start.version)
        // The client learns that the watch has begun, and from where it can go on. Nothing is known to have been sent of a flow's versions.
        let sentUntil = place.sent == nil ? place.position.time : Timestamp(microseconds: 0)
        try await send(WatchEvent(.bookmark(sentUntil), cursor: place.sent.map(command.cursor) ?? .position(place.position)))
        let joined = store.resources.feed.join(queue, now: now, in: store).union(now)
        if let version = place.sent {
            place.sent = try await sendVersions(after: version, send)
            place.position = joined
        }
        try await catchUp(place, to: joined, queue, send)
        // And when it has what was there already.
        if command.start != .now { try await send(WatchEvent(.bookmark(place.position.time), cursor: .position(place.position))) }
        return place
    }

    @inline(never)
    private func rejoin(
        _ queue: WatchQueue, _ place: Place, after dropped: FeedPosition, _ send: (WatchEvent) async throws -> Void
    ) async throws {
        place.position = dropped
        try await catchUp(place, to: store.resources.feed.join(queue, now: dropped, in: store), queue, send)
    }

    private func start(_ now: FeedPosition) async throws(StateError) -> FeedPosition {
        guard case .cursor(.position(let cursor)) = command.start else { return now }
        if cursor.history == now.history, cursor.next <= now.next { return cursor }
        return try await reader.position(replacing: cursor, of: command.tenant, for: context)
    }

    /// The versions of the one flow that are there already.
    /// - Returns: the last one.
    private func sendVersions(
        after version: FlowVersion, _ send: (WatchEvent) async throws -> Void
    ) async throws -> FlowVersion {
        guard let key = keys?.first else { return version }
        var last = version
        let before = context.reservedBytes
        defer { context.release(to: before) }
        while true {
            let changes = try await reader.versions(of: key, after: last, for: context)
            context.release(to: before)
            try context.reserve(changes.reduce(0) { $0 + $1.byteCount })
            guard let end = changes.last?.version.version else { return last }
            for change in changes where command.filter.matches(change) {
                try await self.send(change, cursor: command.cursor(after: change.version.version), send)
            }
            last = end
        }
    }

    private func catchUp(
        _ place: Place, to end: FeedPosition, _ queue: WatchQueue, _ send: (WatchEvent) async throws -> Void
    ) async throws {
        guard place.position != end else { return }
        let before = context.reservedBytes
        defer { context.release(to: before) }
        var isCut = true
        while isCut {
            let window = try await nextWindow(from: place.position, to: end)
            // A transaction may have written much.
            context.release(to: before)
            try context.reserve(window.changes.reduce(0) { $0 + $1.byteCount })
            try await self.send(window.changes.filter(queue.wants), from: place.position, to: window.end, place, send)
            isCut = window.isCut
            // The client learns how far it has come.
            if isCut { try await send(WatchEvent(.bookmark(place.position.time), cursor: .position(place.position))) }
        }
    }

    /// Thousands of watches may come back at the same time, after a restart: they take turns with lists, and wait until it is theirs.
    @inline(never)
    private func nextWindow(from start: FeedPosition, to end: FeedPosition) async throws -> FeedWindow {
        while true {
            do {
                return try await reader.window(from: start, upTo: end, interest, isLive: false, for: context)
            } catch {
                guard case .overloaded = error else { throw error }
                try await Task.sleep(for: .milliseconds(Int64.random(in: 100...1_000)))
            }
        }
    }

    /// - Returns: the position after which changes were dropped.
    private func follow(
        _ queue: WatchQueue, _ place: Place, _ send: (WatchEvent) async throws -> Void
    ) async throws -> FeedPosition? {
        while true {
            if let dropped = try await take(try await queue.next(), place, send) { return dropped }
        }
    }

    @inline(never)
    private func take(
        _ next: WatchBuffer.Next, _ place: Place, _ send: (WatchEvent) async throws -> Void
    ) async throws -> FeedPosition? {
        switch next {
        case .behind(let dropped): return dropped
        case .ended(let error): throw error
        case .item(let item):
            if item.changes.isEmpty {
                place.position = item.end
                try await send(WatchEvent(.bookmark(item.end.time), cursor: .position(item.end)))
            } else {
                // A cursor may be ahead of the feed of this server.
                let changes = item.changes.filter { !place.position.hasPassed($0.transaction) }
                try await self.send(changes, from: item.start, to: item.end, place, send)
            }
            return nil
        }
    }

    /// Sends the changes of a window: all but the last with the cursor before it, so that it is sent again if the client goes on from there.
    private func send(
        _ changes: [FlowChange], from start: FeedPosition, to end: FeedPosition, _ place: Place,
        _ send: (WatchEvent) async throws -> Void
    ) async throws {
        let changes = changes.filter { change in place.sent.map { change.version.version > $0 } ?? true }
        for (number, change) in changes.enumerated() {
            try await self.send(change, cursor: .position(number == changes.count - 1 ? end : start), send)
        }
        if place.sent != nil, let last = changes.last { place.sent = last.version.version }
        place.position = end
    }

    private func send(
        _ change: FlowChange, cursor: WatchCursor, _ send: (WatchEvent) async throws -> Void
    ) async throws {
        let before = context.reservedBytes
        let state = command.includesStates ? try await state(of: change) : []
        try await send(WatchEvent(.change(change, state: state), cursor: cursor))
        context.release(to: before)
    }

    /// Empty when the version was removed meanwhile, or is larger than a message.
    private func state(of change: FlowChange) async throws(StateError) -> [UInt8] {
        if change.version.kind == .deleted { return [] }
        do throws(StateError) {
            var load = LoadCommand(key: change.head.key, selector: .version(change.version.version))
            load.findsParts = true
            return try await store.snapshot(load, for: context).state
        } catch {
            switch error {
            case .versionNotFound, .flowNotFound: return []
            default: throw error
            }
        }
    }
}

extension WatchFlowsCommand.Start {
    fileprivate var version: FlowVersion? {
        switch self {
        case .version(let version), .cursor(.version(let version, _)): version
        case .now, .cursor(.position): nil
        }
    }
}
