import FlowModel
import Postgres
import TestSupport
import Testing

@testable import FlowStore

struct ListTests {
    /// Flows whose fields repeat, so that every filter takes some of them and every order has ties.
    private func populate(_ store: StateStore, _ tenant: String, count: Int, _ random: inout SeededGenerator) async throws {
        for index in 0..<count {
            let prefix = ["a", "a/b", "é", "\u{10FFFF}"].randomElement(using: &random) ?? ""
            let key = try key(tenant, "\(prefix)\(index)")
            var save = SaveCommand(key: key, actor: "a", state: json("{}"))
            save.flowType = ["", "x", "y"].randomElement(using: &random)
            save.phase = ["one", "two"].randomElement(using: &random)
            save.status = ["running", "failed", ""].randomElement(using: &random)
            save.labels = Labels((0..<Int.random(in: 0...2, using: &random)).map { Labels.Entry(name: "l\($0)", value: "v\(index % 3)") })
            _ = try await store.run(save)
            if index % 5 == 0 { _ = try await store.run(DeleteFlowCommand(key: key, actor: "a")) }
        }
        // Ties and several slots of ten minutes.
        _ = try await StoreCluster.sql(
            """
            WITH head AS (
                UPDATE flowstate.flow SET created_at = date_trunc('hour', created_at) - interval '1 minute' * (length(flow_id) * 7 % 5),
                    updated_at = date_trunc('hour', updated_at) - interval '4 minutes' * (hashtext(flow_id) & 15) WHERE tenant = $1
                RETURNING *)
            UPDATE flowstate.flow_version v SET created_at = f.updated_at FROM head f
            WHERE v.tenant = f.tenant AND v.flow_id = f.flow_id AND v.version = f.version
            """, [.text], { $0.append(tenant) }, read: { rows throws(PostgresError) in rows.affectedRows })
    }

    /// - Parameter versions: by which every page is searched, instead of as its list was before.
    private func all(_ store: StateStore, _ command: ListFlowsCommand, versions: Int64? = nil) async throws -> [FlowHead] {
        var command = command
        var heads: [FlowHead] = []
        repeat {
            if let versions { command.expect(versions: versions, in: store) }
            let page = try await store.run(command)
            #expect(page.elements.count == command.pageSize || page.next == nil)
            heads += page.elements.map(\.head)
            command.pageToken = page.next
        } while command.pageToken != nil
        return heads
    }

    @Test func pagesShowEveryFlowOnceInOrder() async throws {
        var random = SeededGenerator(seed: 7)
        let store = try await StoreCluster.store()
        let tenant = freshTenant()
        try await populate(store, tenant, count: 60, &random)
        var everything = ListFlowsCommand(tenant: tenant, order: .flowIDAscending, pageSize: 1_000)
        everything.filter.includeDeleted = true
        let flows = try await store.run(everything).elements.map(\.head)
        #expect(flows.count == 60)

        for order in FlowOrder.allCases {
            for size in [1, 7, 59, 60, 61] {
                var command = ListFlowsCommand(tenant: tenant, order: order, pageSize: size)
                command.filter.includeDeleted = true
                let expected = flows.sorted { Self.precedes($0, $1, order) }
                let isByChange = order == .updatedAscending || order == .updatedDescending
                for versions in (isByChange && size > 1 ? [0, 1, 5, 62, nil] : [nil]) as [Int64?] {
                    let listed = try await all(store, command, versions: versions)
                    #expect(listed.map(\.key) == expected.map(\.key), "\(order), pages of \(size), by \(versions ?? -1) versions")
                }
            }
        }
    }

    @Test func filtersTakeWhatMatches() async throws {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededGenerator(seed: seed)
        let store = try await StoreCluster.store()
        let tenant = freshTenant()
        try await populate(store, tenant, count: 50, &random)
        var everything = ListFlowsCommand(tenant: tenant, pageSize: 1_000)
        everything.filter.includeDeleted = true
        let flows = try await store.run(everything).elements.map(\.head)

        for _ in 0..<150 {
            var filter = FlowFilter()
            if Bool.random(using: &random) { filter.flowType = ["x", "y", ""].randomElement(using: &random) }
            if Bool.random(using: &random) { filter.phase = "one" }
            if Bool.random(using: &random) { filter.status = ["running", ""].randomElement(using: &random) }
            if Bool.random(using: &random) { filter.labels = Labels(["l0": "v1"]) }
            if Bool.random(using: &random) { filter.flowIDPrefix = ["a", "a/", "é", "\u{10FFFF}"].randomElement(using: &random) ?? "" }
            if Bool.random(using: &random) { filter.created.start = flows.randomElement(using: &random)?.createdAt }
            if Bool.random(using: &random) { filter.updated.start = flows.randomElement(using: &random)?.updatedAt }
            if Bool.random(using: &random), filter.created.start == nil {
                filter.created.end = flows.randomElement(using: &random)?.createdAt
            }
            if Bool.random(using: &random), filter.updated.start == nil {
                filter.updated.end = flows.randomElement(using: &random)?.updatedAt
            }
            filter.includeDeleted = Bool.random(using: &random)
            let order = FlowOrder.allCases.randomElement(using: &random) ?? .updatedDescending
            let command = ListFlowsCommand(tenant: tenant, filter: filter, order: order, pageSize: 4)
            let expected = flows.filter { Self.matches($0, filter) }.sorted { Self.precedes($0, $1, order) }
            let versions = ([0, 3, 40, nil] as [Int64?]).randomElement(using: &random) ?? nil
            #expect(
                try await all(store, command, versions: versions).map(\.key) == expected.map(\.key),
                "seed \(seed): \(filter) \(order) \(versions ?? -1)")
        }
    }

    @Test func aTokenBelongsToItsList() async throws {
        let store = try await StoreCluster.store()
        let tenant = freshTenant()
        for index in 0..<3 { _ = try await store.run(SaveCommand(key: key(tenant, "\(index)"), actor: "a", state: json("{}"))) }
        var list = ListFlowsCommand(tenant: tenant, pageSize: 1)
        let token = try #require(try await store.run(list).next)
        list.pageToken = token
        #expect(try await store.run(list).elements.count == 1)
        for change: (inout ListFlowsCommand) -> Void in [
            { $0.order = .createdAscending }, { $0.filter.phase = "p" }, { $0.filter.includeDeleted = true }, { $0.tenant += "x" },
            { $0.pageToken = PageToken(text: "garbage") }, { $0.pageToken = PageToken(text: "") },
            { $0.pageToken = PageToken(text: token.text + "A") }, { $0.pageToken = PageToken(text: String(token.text.dropLast())) },
        ] {
            var other = list
            change(&other)
            guard case .invalidArgument(field: "page_token", _) = await refusal({ try await store.run(other) }) else {
                Issue.record("a foreign token was taken")
                continue
            }
        }
    }

    @Test func versionsAndCheckpointsComeInPages() async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        for index in 1...7 {
            var save = SaveCommand(key: key, actor: "a", state: json("{}"))
            save.checkpoint = CheckpointRequest(id: IDGenerator.next(), name: "c\(index)")
            _ = try await store.run(save)
        }
        for newestFirst in [true, false] {
            var command = ListVersionsCommand(key: key, newestFirst: newestFirst, pageSize: 3)
            var seen: [VersionRecord] = []
            repeat {
                let page = try await store.run(command)
                seen += page.elements.map(\.record)
                command.pageToken = page.next
            } while command.pageToken != nil
            #expect(seen.map(\.version) == (newestFirst ? [7, 6, 5, 4, 3, 2, 1] : [1, 2, 3, 4, 5, 6, 7]))
            #expect(seen.allSatisfy { $0.checkpoints == ["c\($0.version)"] })
        }
        var command = ListCheckpointsCommand(key: key, pageSize: 3)
        var seen: Set<String> = []
        repeat {
            let page = try await store.run(command)
            seen.formUnion(page.elements.compactMap(\.name))
            command.pageToken = page.next
        } while command.pageToken != nil
        #expect(seen.count == 7)
        let missing = try FlowKey(tenant: key.tenant, flowID: "x", limits: .defaults)
        #expect(await refusal { try await store.run(ListVersionsCommand(key: missing)) } == .flowNotFound(flowID: "x", deleted: false))
        #expect(await refusal { try await store.run(ListCheckpointsCommand(key: missing)) } == .flowNotFound(flowID: "x", deleted: false))
    }

    // MARK: - What the database should do

    private static func precedes(_ left: FlowHead, _ right: FlowHead, _ order: FlowOrder) -> Bool {
        let ids = left.key.flowID.utf8.lexicographicallyPrecedes(right.key.flowID.utf8)
        let same = left.key == right.key
        func byTime(_ left: Timestamp, _ right: Timestamp, descending: Bool) -> Bool {
            if left != right { return descending ? left > right : left < right }
            return !same && ids != descending
        }
        return switch order {
        case .flowIDAscending: ids
        case .createdAscending: byTime(left.createdAt, right.createdAt, descending: false)
        case .createdDescending: byTime(left.createdAt, right.createdAt, descending: true)
        case .updatedAscending: byTime(left.updatedAt, right.updatedAt, descending: false)
        case .updatedDescending: byTime(left.updatedAt, right.updatedAt, descending: true)
        }
    }

    private static func matches(_ head: FlowHead, _ filter: FlowFilter) -> Bool {
        func isIn(_ time: Timestamp, _ range: TimeRange) -> Bool {
            (range.start.map { time >= $0 } ?? true) && (range.end.map { time < $0 } ?? true)
        }
        return (filter.flowType.map { $0 == head.flowType } ?? true) && (filter.phase.map { $0 == head.phase } ?? true)
            && (filter.status.map { $0 == head.status } ?? true)
            && filter.labels.entries.allSatisfy { head.labels[$0.name] == $0.value }
            && head.key.flowID.utf8.starts(with: filter.flowIDPrefix.utf8)
            && isIn(head.createdAt, filter.created) && isIn(head.updatedAt, filter.updated)
            && (filter.includeDeleted || !head.isDeleted)
    }
}
