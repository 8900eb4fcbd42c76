import FlowModel
import Synchronization
import TestSupport
import Testing

@testable import FlowStore

/// Changes of a flow stay in order, however long each takes to make ready.
struct SubmissionOrderTests {
    private final class Log: Sendable {
        let entries = Mutex<[String]>([])
        func add(_ entry: String) { entries.withLock { $0.append(entry) } }
        var all: [String] { entries.withLock { $0 } }
    }

    private let order = SubmissionOrder(limit: 3, flowLimit: 10)
    private let log = Log()

    private func submit(_ key: FlowKey, _ name: String, _ place: SubmissionOrder.Place? = nil) throws {
        try order.submit(key, place) { log.add(name) }
    }

    @Test func withoutPlacesAllGoStraightOn() throws {
        try submit(key("t", "a"), "1")
        #expect(log.all == ["1"] && order.isIdle)
    }

    @Test func whatComesBehindAPlaceWaits() throws {
        let (one, other) = (try key("t", "a"), try key("t", "b"))
        let (first, third) = (order.place(one), order.place(one))
        try submit(one, "4")
        try submit(other, "other")
        try submit(one, "3", third)
        #expect(log.all == ["other"] && !order.isIdle)
        try submit(one, "1", first)
        #expect(log.all == ["other", "1", "3", "4"] && order.isIdle)
        try submit(one, "5")
        #expect(log.all.last == "5")
    }

    @Test func aPlaceIsUsedOnce() throws {
        let key = try key("t", "a")
        let (first, second) = (order.place(key), order.place(key))
        try submit(key, "1", first)
        try submit(key, "again", first)
        try submit(key, "2", second)
        #expect(log.all == ["1", "2"] && order.isIdle)
    }

    @Test func aPlaceThatGoesUnusedIsPassedOver() async throws {
        let key = try key("t", "a")
        var place: SubmissionOrder.Place? = order.place(key)
        #expect(place != nil)
        await withCheckedContinuation { continuation in
            do {
                try order.submit(key, nil) { continuation.resume() }
            } catch {
                continuation.resume()
                Issue.record(error)
            }
            place = nil
        }
        #expect(order.isIdle)
    }

    @Test func workMaySubmitMore() throws {
        let key = try key("t", "a")
        let place = order.place(key)
        try submit(key, "2")
        try order.submit(key, place) {
            log.add("1")
            do { try submit(key, "3") } catch { Issue.record(error) }
        }
        #expect(log.all == ["1", "2", "3"] && order.isIdle)
    }

    @Test func soManyMayWait() throws {
        let key = try key("t", "a")
        let place = order.place(key)
        for name in ["2", "3", "4"] { try submit(key, name) }
        #expect(throws: StateError.overloaded(queued: 3, limit: 3, unit: "operations", retryAfterMilliseconds: 100)) {
            try submit(key, "5")
        }
        try submit(key, "1", place)
        #expect(log.all == ["1", "2", "3", "4"])
        let next = order.place(key)
        try submit(key, "6")
        try submit(key, "5", next)
        #expect(log.all.suffix(2) == ["5", "6"])
    }

    @Test func soManyOfAFlowMayWait() throws {
        let (order, one, other) = (SubmissionOrder(limit: 10, flowLimit: 3), try key("t", "a"), try key("t", "b"))
        let places = [order.place(one), order.place(other)]
        for name in ["2", "3"] { try order.submit(one, nil) { log.add(name) } }
        #expect(throws: StateError.overloaded(queued: 3, limit: 3, unit: "operations", retryAfterMilliseconds: 100)) {
            try order.submit(one, nil) { log.add("4") }
        }
        try order.submit(other, nil) { log.add("of another") }
        try order.submit(one, places[0]) { log.add("1") }
        #expect(log.all == ["1", "2", "3"])
        try order.submit(other, places[1]) {}
        #expect(log.all.last == "of another" && order.isIdle)
    }

    @Test func aLongLineKeepsItsOrder() throws {
        let (order, key) = (SubmissionOrder(limit: 10_000, flowLimit: 10_000), try key("t", "a"))
        let places = (0..<5_000).map { _ in order.place(key) }
        for (number, place) in places.enumerated().reversed() { try order.submit(key, place) { log.add("\(number)") } }
        #expect(log.all == (0..<5_000).map(String.init) && order.isIdle)
    }

    @Test func aLongLineIsServedInParts() throws {
        let (order, key) = (SubmissionOrder(limit: 10_000, flowLimit: 10_000), try key("t", "a"))
        let places = (0..<5_000).map { _ in order.place(key) }
        for (number, place) in places.enumerated() { try order.submit(key, place) { log.add("\(number)") } }
        #expect(log.all == (0..<5_000).map(String.init) && order.isIdle)
    }

    /// What comes behind a place that stays waits until it is left.
    @Test func aPlaceMayStay() async throws {
        let key = try key("t", "a")
        let (first, second) = (order.place(key), order.place(key))
        order.whenFirst(second) { log.add("2") }
        try submit(key, "3")
        #expect(log.all.isEmpty)
        order.whenFirst(first) { log.add("1") }
        #expect(log.all == ["1"])
        try submit(key, "4")
        order.leave(first)
        #expect(log.all == ["1", "2"])
        order.leave(first)
        order.leave(second)
        #expect(log.all == ["1", "2", "3", "4"] && order.isIdle)
    }

    @Test func aPlaceMayBeLeftWhenItIsFirst() throws {
        let key = try key("t", "a")
        let place = order.place(key)
        try submit(key, "2")
        order.whenFirst(place) {
            log.add("1")
            order.leave(place)
            log.add("left")
        }
        #expect(log.all == ["1", "left", "2"] && order.isIdle)
    }

    /// At random: packed they are half as long.
    static func letters(_ count: Int, _ generator: inout SeededGenerator) -> String {
        var text: [UInt8] = []
        while text.count < count {
            let number = generator.next()
            for shift in stride(from: UInt64(0), to: 64, by: 4) { text.append(97 + UInt8(number >> shift & 15)) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// States that are packed and checked on other threads, some of which have a connection of their own, and small ones behind them.
    @Test(arguments: [nil, "ordered"], [true, false]) func savesOfAllSizesKeepTheirOrder(flowType: String?, areLarge: Bool) async throws {
        var limits = Limits()
        if areLarge { limits.batchedChangeBytes = 10_000 }
        let database = try await StoreCluster.running().database
        let (store, key) = (StateStore(database: database, limits: limits, logger: StoreCluster.logger), try key(freshTenant(), "f"))
        var generator = SeededGenerator(seed: 1)
        if let flowType {
            let document =
                "{\"flow_type\": \"\(flowType)\", \"rules\": [{\"rule\": \"pattern\", \"path\": \"/text\", \"pattern\": \"^[a-z]*$\"}]}"
            _ = try await store.run(PutDefinitionCommand(tenant: key.tenant, actor: "a", document: json(document)))
        }
        // Those at random are few: many would keep other tests from Swift's threads.
        let sizes = areLarge ? [100, 70_000, 20_000, 200, 40_000, 100_000] : [100, 300_000, 20_000, 200, 60_000, 2_000_000]
        let (stream, results) = AsyncStream.makeStream(of: (Int, Result<SavedVersion, StateError>).self)
        for index in 0..<48 {
            let size = sizes[index % sizes.count]
            let text = areLarge ? Self.letters(size, &generator) : String(repeating: "abc", count: size / 3)
            var save = SaveCommand(key: key, actor: "a", state: json("{\"n\": \(index), \"text\": \"\(text)\"}"))
            save.flowType = flowType
            store.run(save, context: OperationContext()) { results.yield((index, $0)) }
        }
        var versions: [Int: FlowVersion] = [:]
        for await (index, result) in stream {
            versions[index] = try result.get().version
            if versions.count == 48 { break }
        }
        #expect(versions == Dictionary(uniqueKeysWithValues: (0..<48).map { ($0, FlowVersion($0 + 1)) }))
    }
}
