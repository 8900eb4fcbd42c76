import FlowModel
import Resources

/// A load of the latest version that waits until it is another one than its client has, for clients that cannot stream.
struct WaitingLoad: TaskCommand {
    private let load: LoadCommand
    private let milliseconds: Int64

    init(load: LoadCommand, milliseconds: Int64) {
        var load = load
        load.waitMilliseconds = nil
        self.load = load
        self.milliseconds = milliseconds
    }

    /// How often it looks whether its caller is still there.
    private static let glance = Duration.seconds(1)

    func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> LoadOutcome {
        let end = Instant.now + .milliseconds(min(milliseconds, store.limits.maximumDeadlineMilliseconds))
        let feed = store.resources.feed
        let queue = try feed.queue(tenant: load.key.tenant, keys: [load.key], bookmarkInterval: .seconds(86_400))
        defer { feed.leave(queue) }
        var position = try await FeedReader(store: store).now(for: context)
        while true {
            // What is committed while it loads is in the queue.
            position = feed.join(queue, now: position, in: store)
            let outcome = try await store.load(load, for: context)
            guard isUnchanged(outcome) else { return outcome }
            while true {
                if let reason = context.abandonment { throw reason }
                let rest = Instant.now.duration(to: end)
                if rest <= .zero { return outcome }
                let (pause, standing) = (min(rest, Self.glance), position)
                let timer = Task {
                    try await Task.sleep(for: pause)
                    queue.offerBookmark(standing, now: .now, isDue: true)
                }
                defer { timer.cancel() }
                let next = try await queue.next()
                if case .ended(let error) = next { throw error }
                if case .item(let item) = next, item.changes.isEmpty { continue }
                break
            }
        }
    }

    private func isUnchanged(_ outcome: LoadOutcome) -> Bool {
        switch outcome {
        case .unchanged: true
        case .snapshot: false
        case .withWrites(let outcome, _): isUnchanged(outcome)
        }
    }
}
