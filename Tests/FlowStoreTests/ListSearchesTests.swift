import FlowModel
import Postgres
import Resources
import TestSupport
import Testing

@testable import FlowStore

extension ListFlowsCommand {
    /// Has the next pages searched by so many versions.
    func expect(versions: Int64, in store: StateStore) {
        for isFirst in [true, false] {
            var key = searchKey(fingerprint, size: pageSize)
            key.isFirst = isFirst
            store.resources.listSearches.remember(key, versions: versions)
        }
    }
}

struct ListSearchesTests {
    private let key = ListSearches.Key(fingerprint: 1, size: 50, isFirst: true, isNarrow: false)
    private let now = Instant.now

    @Test func anUnknownListIsSearchedByAFewVersions() {
        #expect(ListSearches().search(key) == ListSearches.Search(versions: 2_000, measures: true))
        let narrow = ListSearches.Key(fingerprint: 1, size: 50, isFirst: true, isNarrow: true)
        #expect(ListSearches().search(narrow) == ListSearches.Search(versions: 100, measures: true))
    }

    @Test func moreVersionsAreWorthItInACrowd() {
        let searches = ListSearches()
        searches.sorted(key, after: key.usual, crowd: 100_000, now: now)
        #expect(searches.search(key, now: now) == ListSearches.Search(versions: 25_000, measures: false))
        let next = ListSearches.Key(fingerprint: 1, size: 50, isFirst: false, isNarrow: false)
        #expect(searches.search(next, now: now) == next.usual)
        searches.sorted(key, after: key.usual, crowd: ListSearches.largestCrowd, now: now)
        #expect(searches.search(key, now: now).versions == ListSearches.mostVersions)
    }

    @Test func aSlotWithFewFlowsIsSortedAtOnce() {
        let searches = ListSearches()
        // In the time of looking at 2,000 versions.
        searches.sorted(key, after: key.usual, crowd: 8_000, now: now)
        #expect(searches.search(key, now: now) == ListSearches.Search(versions: 0, measures: false))
        searches.sorted(key, after: key.usual, crowd: 8_004, now: now)
        #expect(searches.search(key, now: now).versions == 2_001)
    }

    @Test func searchesInVainEnd() {
        let searches = ListSearches()
        searches.sorted(key, after: key.usual, crowd: 100_000, now: now)
        searches.sorted(key, after: searches.search(key, now: now), crowd: 0, now: now)
        #expect(searches.search(key, now: now) == ListSearches.Search(versions: 0, measures: false))
    }

    /// However often the list is asked for meanwhile: flows may have gathered in the slot.
    @Test(arguments: [0, 100_000] as [Int64]) func whatIsKnownIsMeasuredAgain(crowd: Int64) {
        let searches = ListSearches()
        searches.sorted(key, after: key.usual, crowd: crowd, now: now)
        for second in 1...29 {
            let later = now + .seconds(second)
            let search = searches.search(key, now: later)
            #expect(!search.measures)
            searches.sorted(key, after: search, crowd: 0, now: later)
        }
        #expect(searches.search(key, now: now + ListSearches.remembered) == key.usual)
    }

    /// 1,000 rows are not found by fewer versions.
    @Test func aPageNeedsAsManyVersionsAsRows() {
        let large = ListSearches.Key(fingerprint: 1, size: 1_001, isFirst: true, isNarrow: true)
        let searches = ListSearches()
        searches.sorted(large, after: ListSearches.Search(versions: 100, measures: true), crowd: 4_003, now: now)
        #expect(searches.search(large, now: now).versions == 0)
        searches.sorted(large, after: ListSearches.Search(versions: 100, measures: true), crowd: 4_004, now: now)
        #expect(searches.search(large, now: now).versions == 1_001)
    }

    @Test func itForgetsRatherThanGrow() {
        let searches = ListSearches()
        let keys = (0...UInt64(ListSearches.limit)).map { ListSearches.Key(fingerprint: $0, size: 50, isFirst: true, isNarrow: true) }
        for key in keys.dropLast() + keys.dropLast() { searches.sorted(key, after: key.usual, crowd: 0) }
        for key in keys.dropLast() { #expect(searches.search(key).versions == 0) }
        searches.sorted(keys[ListSearches.limit], after: key.usual, crowd: 0)
        #expect(searches.search(keys[0]) == keys[0].usual)
        #expect(searches.search(keys[ListSearches.limit]).versions == 0)
    }

    @Test func aListIsFoundByItsVersionsOrSorted() async throws {
        let store = try await StoreCluster.store()
        let tenant = freshTenant()
        for flow in 0..<40 {
            let key = try FlowKey(tenant: tenant, flowID: "\(flow)", limits: .defaults)
            var save = SaveCommand(key: key, actor: "a", state: json("{}"))
            save.status = flow < 4 ? "waiting" : "running"
            _ = try await store.run(save)
        }
        var command = ListFlowsCommand(tenant: tenant, pageSize: 2)
        command.filter.status = "waiting"
        let searches = store.resources.listSearches
        command.expect(versions: 40, in: store)
        #expect(try await store.run(command).elements.map(\.head.key.flowID) == ["3", "2"])
        #expect(searches.search(command.searchKey(command.fingerprint, size: 2)).versions == 40)
        // The first five versions lead to none.
        command.expect(versions: 5, in: store)
        #expect(try await store.run(command).elements.map(\.head.key.flowID) == ["3", "2"])
        #expect(searches.search(command.searchKey(command.fingerprint, size: 2)).versions == 0)
    }

    /// Flows of one time, of which the search sees only some: whichever they are, none is left out or listed twice.
    @Test func flowsOfOneTimeStayTogether() async throws {
        let store = try await StoreCluster.store()
        let tenant = freshTenant()
        for flow in 0..<12 {
            let key = try FlowKey(tenant: tenant, flowID: "\(flow)", limits: .defaults)
            _ = try await store.run(SaveCommand(key: key, actor: "a", state: json("{}")))
        }
        for table in ["flow", "flow_version"] {
            let column = table == "flow" ? "updated_at" : "created_at"
            _ = try await StoreCluster.sql(
                "UPDATE flowstate.\(table) SET \(column) = date_trunc('hour', now()) WHERE tenant = $1 AND flow_id <> '7'",
                [.text], { $0.append(tenant) }, read: { rows throws(PostgresError) in rows.affectedRows })
        }
        for order in [FlowOrder.updatedAscending, .updatedDescending] {
            for versions in 0...13 as ClosedRange<Int64> {
                for size in [1, 2, 5, 11] {
                    var command = ListFlowsCommand(tenant: tenant, order: order, pageSize: size)
                    var found: [String] = []
                    repeat {
                        command.expect(versions: versions, in: store)
                        let page = try await store.run(command)
                        found += page.elements.map(\.head.key.flowID)
                        command.pageToken = page.next
                    } while command.pageToken != nil
                    let same = (0..<12).map(String.init).filter { $0 != "7" }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
                    let expected = order == .updatedAscending ? same + ["7"] : ["7"] + same.reversed()
                    #expect(found == expected, "\(order), \(versions) versions, pages of \(size)")
                }
            }
        }
    }
}
