import DequeModule
import FlowModel

/// What waits for one watch: windows of the feed that have something for it. Pure.
///
///     live ──offer, full──▶ behind ──rejoin──▶ live
///       └──────end────────▶ ended
///
/// A watch whose client reads slowly falls behind: what waits is dropped, and read again from where it stood when the client has taken what
/// it had. So a watch takes bounded memory and loses nothing.
struct WatchBuffer {
    struct Item {
        /// Empty: a bookmark.
        var changes: [FlowChange]
        /// Where the feed stood before and after the window.
        var start: FeedPosition
        var end: FeedPosition
    }

    enum Next {
        case item(Item)
        /// Changes after this position were dropped.
        case behind(FeedPosition)
        case ended(StateError)
    }

    private enum State {
        case live
        case behind(FeedPosition)
        case ended(StateError)
    }

    private let limit: Int
    private let byteLimit: Int
    private var items = Deque<Item>()
    private var events = 0
    private var bytes = 0
    private var state = State.live

    init(limits: Limits) { (limit, byteLimit) = (limits.watchEvents, limits.watchEventBytes) }

    var isEmpty: Bool { items.isEmpty }

    /// - Returns: whether there is something to take.
    mutating func offer(_ item: Item) -> Bool {
        guard case .live = state else { return false }
        let size = item.changes.reduce(0) { $0 + $1.byteCount }
        if !items.isEmpty, events + item.changes.count > limit || bytes + size > byteLimit {
            state = .behind(items.first?.start ?? item.start)
            items = []
        } else {
            items.append(item)
            events += item.changes.count
            bytes += size
        }
        return true
    }

    /// Changes after this position, or after an earlier one, are read again.
    mutating func fallBehind(from position: FeedPosition) {
        guard case .live = state else { return }
        state = .behind(items.first?.start ?? position)
        items = []
    }

    /// Nothing more is taken but this error.
    mutating func end(_ error: StateError) {
        items = []
        state = .ended(error)
    }

    mutating func rejoin() {
        if case .ended = state { return }
        items = []
        (events, bytes, state) = (0, 0, .live)
    }

    mutating func take() -> Next? {
        if let item = items.popFirst() {
            events -= item.changes.count
            bytes -= item.changes.reduce(0) { $0 + $1.byteCount }
            return .item(item)
        }
        switch state {
        case .live: return nil
        case .behind(let position): return .behind(position)
        case .ended(let error): return .ended(error)
        }
    }
}
