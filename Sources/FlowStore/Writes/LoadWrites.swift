import FlowModel
import Postgres

extension LoadCommand {
    /// Adds the writes of the version to a load.
    ///
    /// They are few as a rule, and are read with loads of other calls. If there are more than a small page holds, the first page of their
    /// list is read, in the turn of lists.
    func addWrites(
        to outcome: LoadOutcome, in store: StateStore, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<LoadOutcome, StateError>) -> Void
    ) {
        guard let label = outcome.versionLabel else {
            return completion(.success(.withWrites(outcome, Page(elements: [], next: nil))))
        }
        do throws(StateError) {
            // Once as received, once as decoded.
            try context.reserve(2 * LoadWritesSQL.bytes)
        } catch {
            return completion(.failure(error))
        }
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(label)
        var query = Query<[StoredWrite]?>(statement: LoadWritesSQL.few, parameters: parameters) { rows throws(PostgresError) in
            var writes: [StoredWrite] = []
            for row in 0..<rows.count {
                if let write = try WriteRow.write(rows, row) { writes.append(write) }
            }
            let isComplete = try rows.int64(0, WriteRow.columnCount) == Int64(writes.count)
            return .success(isComplete ? writes : nil)
        }
        query.goesWithOthers()
        store.enqueue(query, context) { result in
            switch result {
            case .failure(let error): completion(.failure(error))
            case .success(let writes?): completion(.success(.withWrites(outcome, Page(elements: writes, next: nil))))
            case .success(nil): addPage(of: label, to: outcome, in: store, context, completion)
            }
        }
    }

    private func addPage(
        of label: String, to outcome: LoadOutcome, in store: StateStore, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<LoadOutcome, StateError>) -> Void
    ) {
        let list = ListWritesCommand(key: key, filter: WriteFilter(versionLabel: label))
        let room = store.limits.messageBytes - LoadWritesSQL.room - outcome.stateBytes
        completing(completion) { () throws(StateError) in
            try list.run(on: store, context: context) { result in
                completion(
                    result.map { page in
                        // A message with the state and the first write may be larger than one may be.
                        .withWrites(outcome, page.byteCount <= room ? page : Page(elements: [], next: list.firstPage))
                    })
            }
        }
    }
}

extension LoadOutcome {
    fileprivate var versionLabel: String? {
        switch self {
        case .snapshot(let snapshot): snapshot.version.versionLabel
        case .unchanged(_, let version): version.versionLabel
        case .withWrites(let outcome, _): outcome.versionLabel
        }
    }

    /// Bytes of the state.
    fileprivate var stateBytes: Int {
        switch self {
        case .snapshot(let snapshot): snapshot.state.count
        case .unchanged: 0
        case .withWrites(let outcome, _): outcome.stateBytes
        }
    }
}

enum LoadWritesSQL {
    /// The most bytes of writes that are read together with loads of other calls.
    static let bytes = 64 << 10
    /// What a message has beside the state and the writes.
    static let room = 256 << 10

    /// Writes of one version, as many as fit; always a row, whose last column is the number of writes.
    static let few = Statement(
        name: "load_writes",
        sql: """
            WITH page AS MATERIALIZED (
                SELECT w.*, sum(\(WriteRow.size)) OVER (ORDER BY \(WriteRow.order) ROWS UNBOUNDED PRECEDING) AS total FROM (
                    SELECT \(WriteRow.columns) FROM flowstate.flow_write w
                    WHERE w.tenant = $1 AND w.flow_id = $2 AND w.version_label = $3 ORDER BY \(WriteRow.order) LIMIT \(rows)) w)
            SELECT \(WriteRow.columns), n.found FROM (SELECT count(*) AS found FROM page) n
            LEFT JOIN page w ON w.total <= \(bytes) ORDER BY \(WriteRow.order)
            """,
        parameterTypes: [.text, .text, .text])

    /// More than fit, so that their number shows whether there are others.
    private static let rows = bytes / PageSQL.rowBytes + 1
}
