import FlowModel

/// One watch: catches up from where it starts to where the feed stands, then sends what the feed has for it; again when it falls behind.
package struct FlowWatch: Sendable {
    private let command: WatchFlowsCommand
    private let store: StateStore
    private let context: OperationContext
    private let keys: [FlowKey]?
    private let reader: FeedReader
    private let interest: FeedInterest

    /// States are loaded so many at a time.
    private static let statesAtOnce = 16
    /// While it catches up, a watch holds one window of its own.
    private static let windowBytes = 64 << 10

    /// - Throws: what is wrong with the command.
    package init(_ command: WatchFlowsCommand, on store: StateStore, for context: OperationContext) throws(StateError) {
        try StateCheck(limits: store.limits).check(command)
        self.command = command
        self.store = store
        self.context = context
        keys = command.flowIDs.isEmpty ? nil : Array(Set(command.flowIDs.map { FlowKey(stored: command.tenant, flowID: $0) }))
        reader = FeedReader(store: store, rows: 500, bytes: Self.windowBytes)
        let isNamed = keys.map { $0.count <= FeedInterest.mostFlowIDs } ?? false
        interest = FeedInterest(tenants: isNamed ? [] : [command.tenant], flowIDs: isNamed ? keys?.map(\.flowID) ?? [] : [])
    }

    /// Sends events until the task is cancelled or the server stops.
    ///
    /// - Parameter send: returns when the client has room for another event.
    /// - Throws: why it ended, or what `send` throws.
    package func run(_ send: (WatchEvent) async throws -> Void) async throws {
        let bookmarkInterval = Duration.milliseconds(command.bookmarkMilliseconds ?? store.limits.bookmarkMilliseconds)
        let feed = store.resources.feed
        let queue = try feed.queue(tenant: command.tenant, keys: keys, filter: command.filter, bookmarkInterval: bookmarkInterval)
        defer { feed.leave(queue) }
        let now = try await reader.now(for: context)
        var position = try await start(now)
        var sent = command.start.version
        // The client learns that the watch has begun, and from where it can go on. Nothing is known to have been sent of a flow's versions.
        let sentUntil = sent == nil ? position.time : Timestamp(microseconds: 0)
        try await send(WatchEvent(.bookmark(sentUntil), cursor: sent.map(command.cursor) ?? .position(position)))
        var isFirst = true
        while true {
            let joined = feed.join(queue, now: now, in: store)
            if isFirst, let version = sent {
                sent = try await sendVersions(after: version, send)
                position = joined
            }
            try await catchUp(&position, to: joined, queue, &sent, send)
            // And when it has what was there already.
            if isFirst, command.start != .now { try await send(WatchEvent(.bookmark(position.time), cursor: .position(position))) }
            isFirst = false
            if let dropped = try await follow(queue, from: &position, &sent, send) { position = dropped }
        }
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
        while true {
            let changes = try await reader.versions(of: key, after: last, for: context)
            guard let end = changes.last?.version.version else { return last }
            for change in changes where command.filter.matches(change) {
                try await self.send(change, cursor: command.cursor(after: change.version.version), send)
            }
            last = end
        }
    }

    private func catchUp(
        _ position: inout FeedPosition, to end: FeedPosition, _ queue: WatchQueue, _ sent: inout FlowVersion?,
        _ send: (WatchEvent) async throws -> Void
    ) async throws {
        guard position != end else { return }
        let before = context.reservedBytes
        try context.reserve(2 * Self.windowBytes)
        defer { context.release(to: before) }
        var isCut = true
        while isCut {
            let window = try await reader.window(from: position, upTo: end, interest, isLive: false, for: context)
            try await self.send(window.changes.filter(queue.wants), from: position, to: window.end, &sent, send)
            (position, isCut) = (window.end, window.isCut)
            // The client learns how far it has come.
            if isCut { try await send(WatchEvent(.bookmark(position.time), cursor: .position(position))) }
        }
    }

    /// - Returns: the position after which changes were dropped.
    private func follow(
        _ queue: WatchQueue, from position: inout FeedPosition, _ sent: inout FlowVersion?, _ send: (WatchEvent) async throws -> Void
    ) async throws -> FeedPosition? {
        while true {
            switch try await queue.next() {
            case .behind(let dropped): return dropped
            case .ended(let error): throw error
            case .item(let item):
                if item.changes.isEmpty {
                    try await send(WatchEvent(.bookmark(item.end.time), cursor: .position(item.end)))
                } else {
                    // A cursor may be ahead of the feed of this server.
                    let changes = item.changes.filter { !position.hasPassed($0.transaction) }
                    try await self.send(changes, from: item.start, to: item.end, &sent, send)
                }
                position = item.end
            }
        }
    }

    /// Sends the changes of a window: all but the last with the cursor before it, so that it is sent again if the client goes on from there.
    private func send(
        _ changes: [FlowChange], from start: FeedPosition, to end: FeedPosition, _ sent: inout FlowVersion?,
        _ send: (WatchEvent) async throws -> Void
    ) async throws {
        let changes = changes.filter { change in sent.map { change.version.version > $0 } ?? true }
        for (place, change) in changes.enumerated() {
            try await self.send(change, cursor: .position(place == changes.count - 1 ? end : start), send)
        }
        if sent != nil, let last = changes.last { sent = last.version.version }
    }

    private func send(
        _ change: FlowChange, cursor: WatchCursor, _ send: (WatchEvent) async throws -> Void
    ) async throws {
        let before = context.reservedBytes
        let state = command.includesStates ? try await state(of: change) : []
        try await send(WatchEvent(.change(change, state: state), cursor: cursor))
        context.release(to: before)
    }

    /// Empty when the version was removed meanwhile.
    private func state(of change: FlowChange) async throws(StateError) -> [UInt8] {
        if change.version.kind == .deleted { return [] }
        do throws(StateError) {
            let load = LoadCommand(key: change.head.key, selector: .version(change.version.version))
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
