import FlowModel
import Testing

@testable import FlowStore

/// What waits for a watch: bounded, and resumed where it was dropped.
struct WatchBufferTests {
    private func position(_ next: Int64) -> FeedPosition {
        FeedPosition(history: .unknown, time: Timestamp(microseconds: next), next: next)
    }

    private func item(_ number: Int64, events: Int = 1, metadata: Int = 0) throws -> WatchBuffer.Item {
        let time = Timestamp(microseconds: number)
        let head = FlowHead(
            key: try FlowKey(tenant: "t", flowID: "f", limits: Limits()), flowType: "", version: number, phase: "", status: "",
            progress: nil, labels: .none, createdAt: time, updatedAt: time, deletedAt: nil)
        let version = VersionRecord(
            version: number, parentVersion: nil, kind: .saved, actor: "a", contentType: "", size: 0, digest: [], phase: "", status: "",
            progress: nil, versionLabel: nil, metadata: [UInt8](repeating: 1, count: metadata), createdAt: time, checkpoints: [])
        let change = FlowChange(transaction: number, head: head, version: version)
        return WatchBuffer.Item(
            changes: [FlowChange](repeating: change, count: events), start: position(number), end: position(number + 1))
    }

    private func limits(events: Int = 4, bytes: Int = 1 << 20) -> Limits {
        var limits = Limits()
        (limits.watchEvents, limits.watchEventBytes) = (events, bytes)
        return limits
    }

    private func taken(_ buffer: inout WatchBuffer) -> String? {
        switch buffer.take() {
        case nil: nil
        case .item(let item): "\(item.start.next) × \(item.changes.count)"
        case .behind(let position): "behind \(position.next)"
        case .ended(let error): error.reason
        }
    }

    @Test func itemsComeInTheirOrder() throws {
        var buffer = WatchBuffer(limits: limits())
        #expect(taken(&buffer) == nil && buffer.isEmpty)
        for number in 1...4 { #expect(buffer.offer(try item(Int64(number)))) }
        for number in 1...4 { #expect(taken(&buffer) == "\(number) × 1") }
        #expect(taken(&buffer) == nil)
    }

    @Test func fullBuffersFallBehindAtTheirFirstItem() throws {
        var buffer = WatchBuffer(limits: limits())
        _ = buffer.offer(try item(1, events: 2))
        #expect(taken(&buffer) == "1 × 2")
        for number in 2...6 { _ = buffer.offer(try item(Int64(number))) }
        #expect(taken(&buffer) == "behind 2")
        #expect(!buffer.offer(try item(7)))
        #expect(taken(&buffer) == "behind 2")
        buffer.rejoin()
        #expect(taken(&buffer) == nil)
        _ = buffer.offer(try item(8))
        #expect(taken(&buffer) == "8 × 1")
    }

    @Test func oneItemIsTakenHoweverLarge() throws {
        var buffer = WatchBuffer(limits: limits(events: 2, bytes: 1_000))
        _ = buffer.offer(try item(1, events: 100, metadata: 10_000))
        #expect(taken(&buffer) == "1 × 100")
        _ = buffer.offer(try item(2, metadata: 400))
        _ = buffer.offer(try item(3, metadata: 400))
        #expect(taken(&buffer) == "behind 2")
    }

    @Test func theEndIsAllThatIsLeft() throws {
        var buffer = WatchBuffer(limits: limits())
        _ = buffer.offer(try item(1))
        buffer.end(.stopping)
        #expect(taken(&buffer) == "WATCH_ENDED")
        #expect(!buffer.offer(try item(2)))
        buffer.rejoin()
        #expect(taken(&buffer) == "WATCH_ENDED")
    }

    /// Both limits count what waits, the item that is offered included; the number of the last item that still fits is given.
    @Test(arguments: [(events: 4, items: 4), (events: 5, items: 5), (events: 1, items: 1)])
    func theLimitOfEventsIsExact(_ limit: (events: Int, items: Int)) throws {
        var buffer = WatchBuffer(limits: limits(events: limit.events))
        for number in 1...limit.items { #expect(buffer.offer(try item(Int64(number)))) }
        var above = buffer
        for number in 1...limit.items { #expect(taken(&buffer) == "\(number) × 1") }
        #expect(taken(&buffer) == nil)
        #expect(above.offer(try item(9)))
        #expect(taken(&above) == "behind 1" && above.isEmpty)
    }

    @Test(arguments: [(spare: 0, isBehind: false), (spare: 1, isBehind: false), (spare: -1, isBehind: true)])
    func theLimitOfBytesIsExact(_ limit: (spare: Int, isBehind: Bool)) throws {
        let (first, second) = (try item(1, metadata: 300), try item(2, metadata: 500))
        let size = (first.changes + second.changes).reduce(0) { $0 + $1.byteCount }
        var buffer = WatchBuffer(limits: limits(bytes: size + limit.spare))
        _ = buffer.offer(first)
        _ = buffer.offer(second)
        #expect(taken(&buffer) == (limit.isBehind ? "behind 1" : "1 × 1"))
    }

    /// What was taken counts no more, and bookmarks do not count.
    @Test func roomComesBack() throws {
        var buffer = WatchBuffer(limits: limits(events: 2))
        for number in 1...20 {
            _ = buffer.offer(try item(Int64(number), events: 2))
            _ = buffer.offer(try item(Int64(number), events: 0))
            #expect(taken(&buffer) == "\(number) × 2")
            #expect(taken(&buffer) == "\(number) × 0")
        }
        for number in 1...5 { _ = buffer.offer(try item(Int64(number), events: 0)) }
        #expect(taken(&buffer) == "1 × 0")
    }

    @Test func fallingBehindDropsWhatWaits() throws {
        // Nothing waits: from where the feed says.
        var buffer = WatchBuffer(limits: limits())
        buffer.fallBehind(from: position(7))
        #expect(taken(&buffer) == "behind 7")
        // From the first item that waits, which is not after the feed's position.
        buffer.rejoin()
        for number in 3...4 { _ = buffer.offer(try item(Int64(number))) }
        buffer.fallBehind(from: position(7))
        #expect(taken(&buffer) == "behind 3")
        // A watch that is behind already stays where it is: what it misses begins there.
        buffer.fallBehind(from: position(5))
        #expect(taken(&buffer) == "behind 3")
        #expect(!buffer.offer(try item(8)))
        // After that it has all of its room again.
        buffer.rejoin()
        for number in 1...4 { _ = buffer.offer(try item(Int64(number))) }
        #expect(taken(&buffer) == "1 × 1")
    }

    @Test func aWatchThatEndedDoesNotFallBehind() throws {
        var buffer = WatchBuffer(limits: limits())
        buffer.end(.stopping)
        buffer.fallBehind(from: position(7))
        #expect(taken(&buffer) == "WATCH_ENDED")
        // One that is behind ends as well.
        buffer = WatchBuffer(limits: limits())
        buffer.fallBehind(from: position(7))
        buffer.end(.stopping)
        #expect(taken(&buffer) == "WATCH_ENDED")
    }
}
