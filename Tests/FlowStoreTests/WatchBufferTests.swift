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
}
