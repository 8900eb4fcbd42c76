import FlowModel
import Resources
import TestSupport
import Testing

@testable import FlowStore

extension ListFlowsCommand {
    /// Has the next page searched by so many versions.
    func expect(versions: Int64, in store: StateStore) {
        let search = ListSearches.Search(versions: versions, measures: false)
        store.resources.listSearches.found(searchKey, by: search, crowd: nil)
    }
}

struct ListSearchesTests {
    private let key = ListSearches.Key(fingerprint: 1, isFirst: true, isNarrow: false)

    @Test func anUnknownListIsSearchedByAFewVersions() {
        let searches = ListSearches()
        #expect(searches.search(key) == key.usual)
        searches.found(key, by: key.usual, crowd: nil)
        #expect(searches.search(key) == key.usual)
    }

    @Test func moreVersionsAreWorthItInACrowd() {
        let searches = ListSearches()
        let now = Instant.now
        searches.found(key, by: key.usual, crowd: 100_000, now: now)
        #expect(searches.search(key, now: now) == ListSearches.Search(versions: 25_000, measures: false))
        #expect(searches.search(ListSearches.Key(fingerprint: 1, isFirst: false, isNarrow: false), now: now) == key.usual)
        // They led to the page: they go on doing so.
        let later = now + ListSearches.remembered / 2
        searches.found(key, by: searches.search(key, now: later), crowd: nil, now: later)
        #expect(searches.search(key, now: now + ListSearches.remembered).versions == 25_000)
        #expect(searches.search(key, now: later + ListSearches.remembered) == key.usual)
    }

    @Test func searchesInVainEnd() {
        let searches = ListSearches()
        let now = Instant.now
        // As many versions as it takes to sort 100 flows.
        searches.found(key, by: key.usual, crowd: 100, now: now)
        #expect(searches.search(key, now: now) == ListSearches.Search(versions: 0, measures: false))
        searches.found(key, by: key.usual, crowd: 100_000, now: now)
        searches.found(key, by: searches.search(key, now: now), crowd: 0, now: now)
        #expect(searches.search(key, now: now).versions == 0)
        #expect(searches.search(key, now: now + ListSearches.remembered) == key.usual)
    }

    @Test func itForgetsRatherThanGrow() {
        let searches = ListSearches()
        let keys = (0...UInt64(ListSearches.limit)).map { ListSearches.Key(fingerprint: $0, isFirst: true, isNarrow: true) }
        for key in keys { searches.found(key, by: key.usual, crowd: 0) }
        #expect(searches.search(keys[0]) == keys[0].usual)
        #expect(searches.search(keys[ListSearches.limit]).versions == 0)
    }

    /// Flows that changed in one slot are found by their versions, and so is a list of a few of them from the second page of it on.
    @Test func aCrowdIsNotSortedTwice() async throws {
        let store = try await StoreCluster.store()
        let tenant = freshTenant()
        for flow in 0..<40 {
            var save = SaveCommand(key: try FlowKey(tenant: tenant, flowID: "\(flow)", limits: .defaults), actor: "a", state: json("{}"))
            save.status = flow < 4 ? "waiting" : "running"
            _ = try await store.run(save)
        }
        var command = ListFlowsCommand(tenant: tenant, pageSize: 2)
        command.filter.status = "waiting"
        command.expect(versions: 5, in: store)
        #expect(try await store.run(command).elements.map(\.key.flowID) == ["3", "2"])
        // They led to nothing, and so few flows are sorted at once.
        #expect(store.resources.listSearches.search(command.searchKey).versions == 0)
        command.expect(versions: 40, in: store)
        #expect(try await store.run(command).elements.map(\.key.flowID) == ["3", "2"])
        #expect(store.resources.listSearches.search(command.searchKey).versions == 40)
    }
}
