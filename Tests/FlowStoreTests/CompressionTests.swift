import Compression
import FlowModel
import JSON
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

struct LRUCacheTests {
    @Test func whoWasUsedLongestAgoGoesFirst() {
        var cache = LRUCache<String, Int>(capacity: 40)
        for (number, key) in ["a", "b", "c", "d"].enumerated() { cache.insert(number, cost: 10, for: key) }
        #expect(cache.value("a") == 0)
        cache.insert(4, cost: 10, for: "e")
        #expect(cache.value("b") == nil && cache.value("a") == 0 && cache.cost == 40)
        cache.insert(5, cost: 11, for: "f")
        #expect(cache.value("f") == nil, "more than a quarter of all")
    }

    @Test func behavesAsASlowOne() {
        let seed = UInt64.random(in: 1 ... .max)
        var random = SeededGenerator(seed: seed)
        var cache = LRUCache<Int, Int>(capacity: 100)
        var slow: [(key: Int, value: Int, cost: Int)] = []
        for step in 0..<20_000 {
            let key = Int.random(in: 0..<30, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0:
                cache.remove(key)
                slow.removeAll { $0.key == key }
            case 1...4:
                let cost = Int.random(in: 1...30, using: &random)
                cache.insert(step, cost: cost, for: key)
                slow.removeAll { $0.key == key }
                if cost <= 25 {
                    while slow.reduce(cost, { $0 + $1.cost }) > 100 { slow.removeFirst() }
                    slow.append((key, step, cost))
                }
            default:
                let place = slow.firstIndex { $0.key == key }
                #expect(cache.value(key) == place.map { slow[$0].value }, "seed \(seed), step \(step)")
                if let place { slow.append(slow.remove(at: place)) }
            }
            #expect(cache.count == slow.count && cache.cost == slow.reduce(0) { $0 + $1.cost })
        }
    }
}
