import TestSupport
import Testing

@testable import FlowModel

/// Reading from position to position, against a PostgreSQL that is made up: transactions that begin, write, commit, roll back, and a server
/// that crashes.
struct FeedPositionTests {
    private struct Row: Hashable {
        var transaction: Int64
        var number: Int
    }

    private struct Database {
        var nextID: Int64 = 10
        var running: [Int64: [Row]] = [:]
        var committed: [Row] = []
        var rows = 0
        /// Ids of the log's records, and how many of them are durable.
        var log: [Int64] = []
        var durable = 0

        mutating func begin() {
            running[nextID] = []
            nextID += 1
        }

        mutating func write(_ id: Int64) {
            rows += 1
            running[id]?.append(Row(transaction: id, number: rows))
            log.append(id)
        }

        mutating func commit(_ id: Int64) {
            committed += running.removeValue(forKey: id) ?? []
            log.append(id)
            durable = log.count
        }

        /// Ids that no durable record has are given out again.
        mutating func crash() {
            running = [:]
            log = Array(log.prefix(durable))
            nextID = max((log.max() ?? 9) + 1, 10)
        }

        var snapshot: TransactionSnapshot { TransactionSnapshot(end: nextID, running: running.keys.sorted()) }
        var newest: Int64? { committed.map(\.transaction).max() }
    }

    /// What a window reads: rows that a snapshot shows, and that the position has not passed.
    private func read(_ rows: [Row], from position: FeedPosition) -> [Row] {
        rows.filter { $0.transaction >= position.next || position.running.contains($0.transaction) }
    }

    private let start = FeedPosition(history: .unknown, time: Timestamp(microseconds: 0), next: 0)

    @Test(arguments: 0..<200)
    func everyRowIsReadOnce(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var (database, position, seen) = (Database(), start, [Row]())
        for step in 0..<400 {
            let id = database.running.keys.sorted().randomElement(using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0, 1: database.begin()
            case 2, 3, 4: if let id { database.write(id) }
            case 5, 6: if let id { database.commit(id) }
            case 7: if let id { database.running[id] = nil }
            case 8:
                if seed.isMultiple(of: 2), Int.random(in: 0..<10, using: &random) == 0 { database.crash() }
            default:
                let found = read(database.committed, from: position)
                if Bool.random(using: &random) {
                    seen += found
                    position = position.advanced(
                        to: database.snapshot, newest: database.newest, time: Timestamp(microseconds: Int64(step)))
                } else if let last = found.map(\.transaction).filter({ $0 >= position.next }).randomElement(using: &random) {
                    // A window that is cut.
                    seen += found.filter { $0.transaction <= last }
                    position = position.advanced(to: database.snapshot, cutAfter: last)
                }
            }
        }
        seen += read(database.committed, from: position)
        #expect(seen.count == Set(seen).count, "seed \(seed)")
        #expect(Set(seen) == Set(database.committed), "seed \(seed)")
    }

    /// A watch that stands somewhere reads up to where the feed stands, window by window, and follows it from there.
    @Test(arguments: 0..<200)
    func catchingUpLeavesNothingOut(_ seed: UInt64) {
        var random = SeededGenerator(seed: 1_000 + seed)
        var (database, positions) = (Database(), [start])
        for _ in 0..<200 {
            let id = database.running.keys.sorted().randomElement(using: &random)
            switch Int.random(in: 0..<8, using: &random) {
            case 0, 1: database.begin()
            case 2, 3, 4: if let id { database.write(id) }
            case 5: if let id { database.commit(id) }
            default:
                positions.append(
                    start.advanced(to: database.snapshot, newest: database.newest, time: Timestamp(microseconds: 0)))
            }
        }
        guard let from = positions.randomElement(using: &random), let to = positions.randomElement(using: &random) else { return }
        var (position, seen) = (from, [Row]())
        let shown = database.committed.filter { to.hasPassed($0.transaction) }
        let snapshot = TransactionSnapshot(end: to.next, running: to.running)
        while let last = read(shown, from: position).map(\.transaction).filter({ $0 >= position.next }).min() {
            seen += read(shown, from: position).filter { $0.transaction <= last }
            position = position.advanced(to: snapshot, cutAfter: last)
        }
        seen += read(shown, from: position)
        position = position.union(to)
        #expect(Set(seen) == Set(shown.filter { !from.hasPassed($0.transaction) }), "seed \(seed)")
        for row in database.committed {
            let isPassed = from.hasPassed(row.transaction) || to.hasPassed(row.transaction)
            #expect(position.hasPassed(row.transaction) == isPassed, "seed \(seed)")
        }
    }

    @Test func snapshotsAreReadAsPostgreSQLWritesThem() {
        #expect(TransactionSnapshot("10:20:10,14,15") == TransactionSnapshot(end: 20, running: [10, 14, 15]))
        #expect(TransactionSnapshot("20:20:") == TransactionSnapshot(end: 20))
        for text in ["", "1:2", "1:x:", "1:2:a", "1:2:3:4"] { #expect(TransactionSnapshot(text) == nil) }
    }

    @Test func cursorsAreReadAsTheyWereWritten() throws {
        let cursors: [WatchCursor] = [
            .version(0, flow: 0), .version(7, flow: .max), .position(start),
            .position(
                FeedPosition(
                    history: FeedPosition.History(system: .max, timeline: 7), time: Timestamp(microseconds: 1_764_064_800_000_001),
                    next: 1 << 40, running: [1, 5, (1 << 40) - 1])),
        ]
        for cursor in cursors { #expect(try WatchCursor(cursor.bytes) == cursor) }
    }

    /// Whatever bytes come: a cursor, or a refusal.
    @Test func damagedCursorsAreRefused() throws {
        let position = FeedPosition(history: .unknown, time: Timestamp(microseconds: 5), next: 100, running: [3, 50])
        let good = WatchCursor.position(position).bytes
        for place in good.indices {
            var bytes = good
            bytes[place] ^= 0x40
            #expect(throws: StateError.self) { try WatchCursor(bytes) }
            #expect(throws: StateError.self) { try WatchCursor(Array(good.prefix(place))) }
        }
        var random = SeededGenerator(seed: 5)
        for count in 0..<2_000 {
            let bytes = (0..<count % 80).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(throws: StateError.self) { try WatchCursor(bytes) }
        }
        // Well made, and impossible.
        for impossible in [
            FeedPosition(history: .unknown, time: position.time, next: -1),
            FeedPosition(history: .unknown, time: position.time, next: .max),
            FeedPosition(history: .unknown, time: position.time, next: 5, running: [5]),
            FeedPosition(history: .unknown, time: position.time, next: 5, running: [3, 3]),
            FeedPosition(history: .unknown, time: position.time, next: 5, running: [-1]),
            FeedPosition(history: .unknown, time: Timestamp(microseconds: .max), next: 5),
        ] {
            #expect(throws: StateError.self) { try WatchCursor(WatchCursor.position(impossible).bytes) }
        }
        #expect(throws: StateError.self) { try WatchCursor(WatchCursor.version(-1, flow: 1).bytes) }
    }
}
