import FlowModel
import Postgres

extension ListWritesCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) { try StateCheck(limits: limits).check(filter) }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Page<StoredWrite> {
        let size = try StateCheck(limits: store.limits).pageSize(pageSize)
        let seal = fingerprint
        let after = try WritePosition(pageToken, seal)
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(filter.channel)
        parameters.append(filter.taskID)
        parameters.append(Int64(size + 1))
        parameters.append(Int64(store.pageBytes))
        parameters.append(filter.versionLabel ?? after.versionLabel)
        parameters.append(after.path)
        parameters.append(after.taskID)
        parameters.append(after.index)
        let query = Query<Page<StoredWrite>>(
            statement: filter.versionLabel == nil ? Self.ofFlow : Self.ofVersion, parameters: parameters
        ) { rows throws(PostgresError) in
            var writes: [StoredWrite] = []
            writes.reserveCapacity(rows.count)
            for row in 0..<rows.count {
                if let write = try WriteRow.write(rows, row) { writes.append(write) }
            }
            let found = rows.count == 0 ? 0 : try rows.int64(0, WriteRow.columnCount)
            return .success(
                Page(writes, size: size, isCut: found > Int64(writes.count)) { WritePosition($0).token(seal) })
        }
        return try await store.page(query, rows: size + 1, rowBytes: WriteRow.largestBytes(store.limits), for: context)
    }

    private var fingerprint: Fingerprint {
        var fingerprint = Fingerprint()
        fingerprint.combine(key.tenant)
        fingerprint.combine(key.flowID)
        fingerprint.combine([filter.versionLabel, filter.channel, filter.taskID].map { $0 ?? "" })
        return fingerprint
    }

    /// The token of a page that begins with the first write.
    var firstPage: PageToken { WritePosition.first.token(fingerprint) }

    static let ofFlow = statement("list_writes", condition: "(w.version_label, w.path, w.task_id, w.write_index) > ($7, $8, $9, $10)")
    static let ofVersion = statement(
        "list_writes_of_version", condition: "w.version_label = $7 AND (w.path, w.task_id, w.write_index) > ($8, $9, $10)")

    private static func statement(_ name: String, condition: String) -> Statement {
        let rows = PageSQL.fitting(
            """
            SELECT \(WriteRow.columns) FROM flowstate.flow_write w
            WHERE w.tenant = $1 AND w.flow_id = $2 AND \(condition)
                AND ($3 IS NULL OR w.channel = $3) AND ($4 IS NULL OR w.task_id = $4)
            ORDER BY \(WriteRow.order) LIMIT $5
            """,
            as: "w", order: WriteRow.order, size: WriteRow.size, bytes: "$6")
        return Statement(
            name: name, sql: "SELECT \(WriteRow.columns), w.found FROM (\(rows)) w ORDER BY \(WriteRow.order)",
            parameterTypes: [.text, .text, .text, .text, .int8, .int8, .text, .text, .text, .int8])
    }
}

/// The place of a write in the order of lists.
struct WritePosition {
    var versionLabel: String
    var path: String
    var taskID: String
    var index: Int64

    /// Before every write.
    static let first = WritePosition(versionLabel: "", path: "", taskID: "", index: .min)

    /// No name has this character.
    private static let separator: Character = "\n"

    private init(versionLabel: String, path: String, taskID: String, index: Int64) {
        (self.versionLabel, self.path, self.taskID, self.index) = (versionLabel, path, taskID, index)
    }

    init(_ stored: StoredWrite) {
        self.init(
            versionLabel: stored.versionLabel, path: stored.write.path, taskID: stored.write.taskID, index: Int64(stored.write.index))
    }

    /// Where the page before ended.
    init(_ token: PageToken?, _ fingerprint: Fingerprint) throws(StateError) {
        guard let position = try token?.position(list: .writes, fingerprint: fingerprint) else {
            self = .first
            return
        }
        let parts = position.text.split(separator: Self.separator, omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw .damagedPageToken }
        self.init(versionLabel: String(parts[0]), path: String(parts[1]), taskID: String(parts[2]), index: position.number)
    }

    func token(_ fingerprint: Fingerprint) -> PageToken {
        let text = [versionLabel, path, taskID].joined(separator: String(Self.separator))
        return PageToken(list: .writes, fingerprint: fingerprint, position: PageToken.Position(number: index, text: text))
    }
}
