import FlowModel
import Postgres

/// The transaction of an `AtomicBatch`: flows that are created first, then those that are there, as in a batch of changes.
struct AtomicBatchOperation: SingleOperation {
    typealias Outcome = [SavedVersion]

    struct Save: Sendable {
        let change: SaveChange
        let head: SaveSQL.Head
    }

    let saves: [Save]
    let resources: StoreResources
    /// In the order in which they are sent.
    private let order: [Int]

    init(saves: [Save], resources: StoreResources) {
        self.saves = saves
        self.resources = resources
        let shards = saves.map { Shard.of($0.change.command.key) }
        order = saves.indices.sorted { left, right in
            let (one, other) = (saves[left], saves[right])
            if (one.head == .create) != (other.head == .create) { return one.head == .create }
            if shards[left] != shards[right] { return shards[left] < shards[right] }
            return one.change.command.key.precedes(other.change.command.key)
        }
    }

    var cost: Int { saves.reduce(0) { $0 + $1.change.command.state.count + 512 } }
    var affinity: BatchAffinity { .exclusive }

    private var updates: [Int] { order.filter { saves[$0].head != .create } }

    func enqueue(into pipeline: inout Pipeline) {
        for place in order where saves[place].head == .create { enqueue(saves[place], into: &pipeline) }
        let updates = updates
        if !updates.isEmpty {
            HeadLock.enqueue(updates.map { saves[$0].change.command.key }, into: &pipeline)
            for place in updates { enqueue(saves[place], into: &pipeline) }
        }
        pipeline.execute(AtomicBatchSQL.allWritten, LoadSQL.parameters(check: saves.map(\.change.command.key)))
    }

    private func enqueue(_ save: Save, into pipeline: inout Pipeline) {
        if save.head == .revive { EarlierLife.end(of: save.change.command.key, into: &pipeline) }
        let change = statement(save)
        pipeline.execute(change.statement, change.parameters)
    }

    private func statement(_ save: Save) -> SingleChange {
        let stored = save.change.packed(in: resources) ?? StateCompression.storeWhole(save.change.command.state, resources.zstd)
        return SingleChange(
            save.change, save.head == .create ? .creating : .held, stored: stored, isShort: false, limits: resources.limits)
    }

    func decode(_ results: [ResultRows]) throws(PostgresError) -> Step<Self> {
        // As they were sent: the lock before the first update, and what ends an earlier life before its flow is revived.
        var (saved, next): ([Int: SavedVersion], Int) = ([:], 0)
        let first = updates.first
        for place in order {
            next += (place == first ? 1 : 0) + (saves[place].head == .revive ? 1 : 0)
            guard next < results.count else { throw .protocolViolation("\(results.count) results for \(saves.count) saves") }
            let rows = results[next]
            next += 1
            guard case .done(.saved(let version)) = try statement(saves[place]).decode(rows) else {
                throw .protocolViolation("a save of a batch was committed and not written")
            }
            saved[place] = version
        }
        return .finished(saves.indices.compactMap { saved[$0] })
    }
}
