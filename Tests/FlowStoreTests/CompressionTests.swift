import Compression
import FlowModel
import JSON
import Resources
import TestSupport
import Testing

@testable import FlowStore

struct CompressionTests {
    private let zstd = ZstdPool()

    private func text(_ words: Int, _ random: inout SeededGenerator) -> [UInt8] {
        Array((0..<words).map { _ in "word\(Int.random(in: 0..<200, using: &random))" }.joined(separator: " ").utf8)
    }

    private func read(_ stored: [StateCompression.Row], size: Int) -> [UInt8]? {
        switch StateCompression.read(stored, size: size, largest: 1 << 20, zstd) {
        case .success(let (state, _)): state
        case .failure: nil
        }
    }

    @Test func aStateTakesTheSmallestForm() {
        var random = SeededGenerator(seed: 7)
        let noise = (0..<500).map { _ in UInt8.random(in: 0...255, using: &random) }
        var chain: VersionChain?
        #expect(StateCompression.store([], after: chain, zstd).codec == .raw)
        #expect(StateCompression.store(noise, after: chain, zstd).codec == .raw)
        let whole = text(300, &random)
        let frame = StateCompression.store(whole, after: chain, zstd)
        #expect(frame.codec == .frame && frame.bytes.count < whole.count / 2)
        chain = VersionChain(1, state: whole, stored: frame)
        let patch = StateCompression.store(whole + text(10, &random), after: chain, zstd)
        #expect(patch.codec == .patch && patch.base == 1 && patch.bytes.count < 150)
        #expect(StateCompression.store(text(300, &random), after: chain, zstd).codec == .frame, "nothing in common")
    }

    @Test func statesWithNothingInCommonAreTriedEverMoreRarely() {
        var random = SeededGenerator(seed: 8)
        let first = text(300, &random)
        var chain: VersionChain? = VersionChain(1, state: first, stored: StateCompression.storeWhole(first, zstd))
        var tries = 0
        for version in 2..<500 {
            let state = text(300, &random)
            if chain?.base(for: state) != nil { tries += 1 }
            let stored = StateCompression.store(state, after: chain, zstd)
            chain?.append(FlowVersion(version), state: state, stored: stored)
        }
        #expect(tries < 20, "\(tries)")
    }

    /// Whatever is saved after whatever: it reads as it was, its row and `maximumDepth` others tell it, and they are not much larger.
    @Test func everyVersionReadsThroughItsBases() throws {
        let seed = UInt64.random(in: 1 ... .max)
        var random = SeededGenerator(seed: seed)
        var rows: [FlowVersion: (stored: StoredState, state: [UInt8])] = [:]
        var chain: VersionChain?
        var state = text(50, &random)
        for version in FlowVersion(1)...400 {
            switch Int.random(in: 0..<20, using: &random) {
            case 0: state = text(Int.random(in: 1...400, using: &random), &random)
            case 1: state = []
            case 2...4 where !state.isEmpty:
                let start = Int.random(in: 0..<state.count, using: &random)
                state.removeSubrange(start..<min(state.count, start + 40))
            default: state += text(8, &random)
            }
            let stored = StateCompression.store(state, after: chain, zstd)
            if chain == nil {
                chain = VersionChain(version, state: state, stored: stored)
            } else {
                chain?.append(version, state: state, stored: stored)
            }
            rows[version] = (stored, state)
        }
        for (version, row) in rows {
            var stored = [StateCompression.Row(version: version, codec: row.stored.codec.rawValue, bytes: row.stored.bytes)]
            var base = row.stored.base
            while let version = base, let next = rows[version] {
                stored.append(StateCompression.Row(version: version, codec: next.stored.codec.rawValue, bytes: next.stored.bytes))
                #expect(next.state.count <= 2 * row.state.count, "seed \(seed)")
                base = next.stored.base
            }
            #expect(stored.count <= 1 + VersionChain.maximumDepth)
            #expect(read(stored, size: row.state.count) == row.state, "seed \(seed), version \(version)")
        }
    }

    /// Chains are deeper where that pays: at, below and above the sizes.
    @Test(arguments: [((16 << 10) - 1, 2), (16 << 10, 3), (1 << 20, 3), ((1 << 20) + 1, 2)], [2, 3, 99])
    func chainsAreAsDeepAsTheSizeOfTheStateAllows(_ row: (size: Int, deepest: Int), limit: Int) {
        let size = row.size
        var random = SeededGenerator(seed: 3)
        var state = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
        var chain: VersionChain?
        var depths: [FlowVersion: Int] = [:]
        var levels: [FlowVersion: VersionChain.Level] = [:]
        var bases: [FlowVersion: FlowVersion] = [:]
        for version in FlowVersion(1)...60 {
            // What differs from a base grows with the distance.
            let start = Int(version) * size / 64
            for place in start..<min(start + size / 100, size) { state[place] = .random(in: 0...255, using: &random) }
            let stored = StateCompression.store(state, after: chain, zstd)
            depths[version] = stored.base.map { (depths[$0] ?? 0) + 1 } ?? 0
            bases[version] = stored.base
            levels[version] = VersionChain.Level(version: version, state: state, storedBytes: stored.bytes.count)
            if version % 10 == 0 {
                // As after a restart: from the rows.
                let path = sequence(first: version) { bases[$0] }.reversed()
                chain = VersionChain(levels: path.compactMap { levels[$0] }, depth: limit)
            } else if chain == nil {
                chain = VersionChain(version, state: state, stored: stored, depth: limit)
            } else {
                chain?.append(version, state: state, stored: stored)
            }
        }
        #expect(depths.values.max() == min(row.deepest, limit))
    }

    @Test func aGrowingStateTakesWhatIsNew() {
        var random = SeededGenerator(seed: 9)
        var state: [UInt8] = []
        var chain: VersionChain?
        var bytes = 0
        for version in FlowVersion(1)...200 {
            state += text(80, &random)
            let stored = StateCompression.store(state, after: chain, zstd)
            if chain == nil {
                chain = VersionChain(version, state: state, stored: stored)
            } else {
                chain?.append(version, state: state, stored: stored)
            }
            bytes += stored.bytes.count
        }
        let last = StateCompression.storeWhole(state, zstd).bytes.count
        #expect(bytes < 12 * last, "\(bytes) bytes for 200 versions, of which the last alone takes \(last)")
    }

    @Test func damagedRowsAreRefusedWithoutATrap() {
        let seed = UInt64.random(in: 1 ... .max)
        var random = SeededGenerator(seed: seed)
        let base = text(200, &random)
        let state = base + text(20, &random)
        let chain = VersionChain(1, state: base, stored: StateCompression.storeWhole(base, zstd))
        let patch = StateCompression.store(state, after: chain, zstd)
        let frame = StateCompression.storeWhole(base, zstd)
        for _ in 0..<20_000 {
            var (first, second) = (patch.bytes, frame.bytes)
            if Bool.random(using: &random) { damage(&first, &random) } else { damage(&second, &random) }
            let rows = [
                StateCompression.Row(version: 2, codec: .random(in: 0...3, using: &random), bytes: first),
                StateCompression.Row(version: 1, codec: .random(in: 0...3, using: &random), bytes: second),
            ]
            if let read = read(rows, size: state.count), rows[0].codec != 0 { #expect(read.count == state.count, "seed \(seed)") }
        }
        #expect(read([], size: 0) == nil)
        #expect(read([StateCompression.Row(version: 2, codec: 2, bytes: patch.bytes)], size: state.count) == nil, "without its base")
    }

    private func damage(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
        }
        bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random) / 8)
    }

    /// A frame may claim any size; nothing of that size is allocated.
    @Test func aStateLargerThanAllowedIsRefused() {
        let state = [UInt8](repeating: 1, count: 2 << 20)
        let frame = StateCompression.storeWhole(state, zstd)
        #expect(read([StateCompression.Row(version: 1, codec: frame.codec.rawValue, bytes: frame.bytes)], size: state.count) == nil)
    }
}

struct ScanResistantCacheTests {
    @Test func readingVeryManyOnceEvictsNothingThatIsUsed() {
        var cache = ScanResistantCache<Int, Int>(capacity: 1_000)
        for round in 0..<4 {
            for key in 0..<50 where cache.value(key) == nil { cache.insert(key, cost: 10, for: key) }
            for key in 1_000 * (round + 1)..<1_000 * (round + 1) + 40 { cache.insert(key, cost: 10, for: key) }
        }
        for key in 10_000..<20_000 where cache.value(key) == nil { cache.insert(key, cost: 10, for: key) }
        let kept = (0..<50).filter { cache.value($0) == $0 }
        #expect(kept.count >= 45, "\(kept.count) of 50 that were used, after 10,000 that were not")
        #expect(cache.cost <= 1_000)
    }

    @Test func whatComesAgainSoonAfterItsEvictionStays() {
        var cache = ScanResistantCache<Int, Int>(capacity: 100)
        for key in 0..<20 { cache.insert(key, cost: 10, for: key) }
        #expect(cache.value(5) == nil, "evicted")
        cache.insert(5, cost: 10, for: 5)
        for key in 100..<200 { cache.insert(key, cost: 10, for: key) }
        #expect(cache.value(5) == 5)
    }

    @Test func shrinkingEvictsAndTellsWhat() {
        var cache = ScanResistantCache<Int, Int>(capacity: 100)
        for key in 0..<10 { cache.insert(key, cost: 10, for: key) }
        for key in 0..<10 { for _ in 0..<3 { _ = cache.value(key) } }
        #expect(cache.shrink(to: 100).isEmpty)
        #expect(cache.shrink(to: 35).count == 7 && cache.cost == 30 && cache.capacity == 35)
        #expect(cache.shrink(to: 0).count == 3 && cache.count == 0)
    }

    @Test func aLargeValueIsNotKept() {
        var cache = ScanResistantCache<String, Int>(capacity: 40)
        cache.insert(1, cost: 10, for: "a")
        cache.insert(2, cost: 11, for: "a")
        #expect(cache.value("a") == nil && cache.count == 0 && cache.cost == 0)
        var none = ScanResistantCache<String, Int>(capacity: 0)
        none.insert(1, cost: 1, for: "a")
        #expect(none.count == 0)
    }

    /// Whatever is done, it holds what was inserted last, never more than fits, and its accounts are right.
    @Test func holdsWhatWasInsertedLast() {
        let seed = UInt64.random(in: 1 ... .max)
        var random = SeededGenerator(seed: seed)
        var cache = ScanResistantCache<Int, Int>(capacity: 200)
        var last: [Int: (value: Int, cost: Int)] = [:]
        for step in 0..<50_000 {
            let key = Int.random(in: 0..<60, using: &random) * Int.random(in: 0...1, using: &random)
            switch Int.random(in: 0..<12, using: &random) {
            case 0:
                cache.remove(key)
                last[key] = nil
            case 1...5:
                let cost = Int.random(in: 1...60, using: &random)
                cache.insert(step, cost: cost, for: key)
                last[key] = cost <= 50 ? (step, cost) : nil
            default:
                guard let found = cache.value(key) else { break }
                #expect(found == last[key]?.value, "seed \(seed), step \(step)")
            }
            if step % 10_000 == 9_999 { cache.removeAll() }
            guard step % 64 == 0 else { continue }
            let present = (0..<60).filter { cache.value($0) != nil }
            #expect(cache.count == present.count, "seed \(seed), step \(step)")
            #expect(cache.cost == present.reduce(0) { $0 + (last[$1]?.cost ?? 0) } && cache.cost <= 200, "seed \(seed), step \(step)")
        }
    }
}

/// A cache takes what requests leave free, and gives it back.
struct BorrowingTests {
    private func fill(_ cache: VersionCache, _ flows: Range<Int>) {
        for flow in flows {
            let stored = StoredState(codec: .raw, bytes: [])
            let chain = VersionChain(1, state: [UInt8](repeating: 1, count: 60_000), stored: stored)
            let time = Timestamp(microseconds: 1)
            cache.insert(
                CachedVersion(version: 1, updatedAt: time, checkpointEpoch: 0, loaded: nil, chain: chain),
                of: FlowKey(stored: "t", flowID: "\(flow)"))
        }
    }

    @Test func takesUpToTwiceAsMuchAgain() {
        let (cache, budget) = (VersionCache(capacity: 4 << 20), MemoryBudget(limit: 100 << 20))
        cache.borrow(from: budget)
        fill(cache, 0..<400)
        #expect(budget.lent == 8 << 20 && budget.reserved == 8 << 20)
        #expect(cache.statistics.capacity == 12 << 20)
        #expect(cache.byteCount > 10 << 20 && cache.byteCount <= 11 << 20, "a quarter of its own is for bases")
        #expect(cache.ownBytes == cache.byteCount - (8 << 20))
    }

    @Test func givesBackWhatARequestNeeds() {
        let (cache, budget) = (VersionCache(capacity: 8 << 20), MemoryBudget(limit: 32 << 20))
        cache.borrow(from: budget)
        fill(cache, 0..<800)
        #expect(budget.lent == 16 << 20, "half of all stays free")
        let account = MemoryAccount(budget)
        #expect(account.reserve(20 << 20))
        #expect(budget.lent == 8 << 20 && cache.byteCount <= 14 << 20, "of large accounts an eighth is out of reach")
        #expect(account.reserve(8 << 20) && budget.lent == 0 && cache.byteCount <= 6 << 20)
        fill(cache, 800..<900)
        #expect(budget.lent == 0, "nothing is left to borrow")
        account.releaseAll()
        fill(cache, 900..<1_300)
        #expect(budget.lent == 16 << 20)
    }

    @Test func nothingIsBorrowedForACacheOfNothing() {
        let (cache, budget) = (VersionCache(capacity: 0), MemoryBudget(limit: 32 << 20))
        cache.borrow(from: budget)
        fill(cache, 0..<10)
        #expect(budget.lent == 0 && cache.byteCount == 0)
    }
}
