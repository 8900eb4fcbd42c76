import FlowModel
import Postgres

/// What someone wants of the changes of all tenants; a read may find more.
struct FeedInterest: Sendable, Equatable {
    /// Of these tenants all flows.
    var tenants: [String] = []
    /// Of any tenant these flows.
    var flowIDs: [String] = []

    /// Each row that is read is compared with each: more, and whole tenants are read.
    static let mostFlowIDs = 100
}

/// Changes between two positions.
struct FeedWindow: Sendable {
    /// In the order of their times, and so of each flow in the order of its versions.
    var changes: [FlowChange]
    var end: FeedPosition
    /// More follows at once.
    var isCut: Bool
}

/// Reads what was committed since a position.
struct FeedReader: Sendable {
    let store: StateStore
    /// Versions in a window, and their bytes; those of one transaction stay together.
    var rows = 1_000
    var bytes = 256 << 10

    /// How much longer than `FeedPosition.time` ago a transaction may have begun, in microseconds.
    private static let longestTransaction: Int64 = 600_000_000

    /// Where what is committed from now on begins.
    func now(for context: OperationContext) async throws(StateError) -> FeedPosition {
        while true {
            var query = Query<Moment>(statement: FeedSQL.position, parameters: Parameters()) { rows throws(PostgresError) in
                .success(try Self.moment(rows))
            }
            query.sharesAnswer()
            let history = self.history
            let moment = try await store.ask(query, on: .feed, for: context)
            guard history == self.history else { continue }
            if let newest = moment.newest, newest >= moment.snapshot.end {
                try await renew()
                continue
            }
            return FeedPosition(history: history, time: moment.time, next: 0)
                .advanced(to: moment.snapshot, newest: moment.newest, time: moment.time)
        }
    }

    /// The next window.
    ///
    /// - Parameters:
    ///   - end: nil: up to now.
    ///   - isLive: whether it is the feed that reads, for all watches. Others take turns with lists.
    /// - Throws: `historyChanged` when the position is of another history.
    func window(
        from start: FeedPosition, upTo end: FeedPosition?, _ interest: FeedInterest, isLive: Bool, for context: OperationContext
    ) async throws(StateError) -> FeedWindow {
        guard start.history == history else { throw .historyChanged }
        let query = Query<(Moment, Bool, [FlowChange])>(
            statement: FeedSQL.window, parameters: parameters(from: start, upTo: end, interest)
        ) { rows throws(PostgresError) in
            guard rows.count > 0 else { return .failure(.internalFault("a window without a row")) }
            var changes: [FlowChange] = []
            for row in 0..<rows.count {
                if let change = try FeedSQL.change(rows, row, from: FeedSQL.momentColumnCount + 1) { changes.append(change) }
            }
            return .success((try Self.moment(rows), try rows.bool(0, FeedSQL.momentColumnCount), changes))
        }
        let (moment, isCut, found) =
            isLive ? try await store.ask(query, on: .feed, for: context) : try await store.ask(query, for: context)
        // A restored backup, where PostgreSQL does not say which cluster it is.
        guard start.history == history, start.next <= moment.snapshot.end else { throw .historyChanged }
        var changes = found
        let snapshot = end.map { TransactionSnapshot(end: $0.next, running: $0.running) } ?? moment.snapshot
        let reached: FeedPosition
        if isCut {
            guard let last = changes.map(\.transaction).max() else { throw .internalFault("a window that is cut and empty") }
            changes += try await predecessors(of: changes, after: last, isLive, context)
            reached = start.advanced(to: snapshot, cutAfter: last)
        } else {
            reached = end.map(start.union) ?? start.advanced(to: moment.snapshot, newest: moment.newest, time: moment.time)
        }
        return FeedWindow(changes: Self.ordered(changes), end: reached, isCut: isCut)
    }

    /// The versions of a flow after one.
    func versions(of key: FlowKey, after version: FlowVersion, for context: OperationContext) async throws(StateError) -> [FlowChange] {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(version)
        parameters.append(Int64(rows))
        return try await store.ask(Self.changes(FeedSQL.versions, parameters), for: context)
    }

    /// A position of this history that comes before one of another.
    func position(replacing other: FeedPosition, of tenant: String, for context: OperationContext) async throws(StateError) -> FeedPosition
    {
        let now = try await now(for: context)
        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(timestamp: other.time.microseconds - Self.longestTransaction)
        let query = Query<Int64?>(statement: FeedSQL.firstSince, parameters: parameters) { rows throws(PostgresError) in
            .success(try rows.int64IfPresent(0, 0))
        }
        guard let first = try await store.ask(query, for: context), first < now.next else { return now }
        return FeedPosition(history: now.history, time: other.time, next: first)
    }

    var history: FeedPosition.History {
        guard let identity = store.database.identity, let system = UInt64(identity.system) else { return .unknown }
        return FeedPosition.History(system: system, timeline: identity.timeline)
    }

    // MARK: Statements

    private struct Moment: Sendable {
        var snapshot: TransactionSnapshot
        var time: Timestamp
        var newest: Int64?
    }

    private static func moment(_ rows: ResultRows) throws(PostgresError) -> Moment {
        let text = try rows.text(0, 0)
        guard let snapshot = TransactionSnapshot(text) else { throw .protocolViolation("a snapshot is \(text)") }
        return Moment(
            snapshot: snapshot, time: Timestamp(microseconds: try rows.timestamp(0, 1)), newest: try rows.int64IfPresent(0, 2))
    }

    private func parameters(from start: FeedPosition, upTo end: FeedPosition?, _ interest: FeedInterest) -> Parameters {
        var parameters = Parameters()
        parameters.append(start.next)
        parameters.append(texts: start.running.count) { "\(start.running[$0])" }
        parameters.append(texts: interest.tenants.count) { interest.tenants[$0] }
        parameters.append(texts: interest.flowIDs.count) { interest.flowIDs[$0] }
        parameters.append(Int64(rows))
        parameters.append(Int64(bytes))
        parameters.append(end?.next)
        let excluded = end?.running ?? []
        parameters.append(texts: excluded.count) { "\(excluded[$0])" }
        return parameters
    }

    private func predecessors(
        of changes: [FlowChange], after last: Int64, _ isLive: Bool, _ context: OperationContext
    ) async throws(StateError) -> [FlowChange] {
        let versions = Dictionary(grouping: changes, by: \.head.key).mapValues { Set($0.map(\.version.version)) }
        let flows = versions.flatMap { key, versions in versions.filter { !versions.contains($0 - 1) }.map { (key: key, version: $0) } }
        var parameters = Parameters()
        parameters.append(texts: flows.count) { flows[$0].key.tenant }
        parameters.append(texts: flows.count) { flows[$0].key.flowID }
        parameters.append(bigints: flows.count) { flows[$0].version }
        parameters.append(last)
        let query = Self.changes(FeedSQL.predecessors, parameters)
        return isLive ? try await store.ask(query, on: .feed, for: context) : try await store.ask(query, for: context)
    }

    private static func changes(_ statement: Statement, _ parameters: Parameters) -> Query<[FlowChange]> {
        Query(statement: statement, parameters: parameters) { rows throws(PostgresError) in
            var changes: [FlowChange] = []
            for row in 0..<rows.count {
                if let change = try FeedSQL.change(rows, row, from: 0) { changes.append(change) }
            }
            return .success(changes)
        }
    }

    /// No version is older than the one before it.
    private static func ordered(_ changes: [FlowChange]) -> [FlowChange] {
        changes.sorted { left, right in
            (left.version.createdAt, left.version.version) < (right.version.createdAt, right.version.version)
        }
    }

    /// Waits for the connection that runs long operations.
    private func renew() async throws(StateError) {
        _ = try await store.rowsInBackground(FeedSQL.renew, Parameters()) { rows, row throws(PostgresError) in try rows.bool(row, 0) }
    }
}

extension StateError {
    /// Another server has taken over, or a backup was restored: what was read may be unknown there.
    static var historyChanged: StateError {
        .watchEnded("the history of the database has changed (another server took over, or a backup was restored)")
    }
}
