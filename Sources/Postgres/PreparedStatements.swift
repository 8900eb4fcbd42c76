/// Which statements a connection has prepared, under which names. Pure.
///
/// A prepared statement outlives the transaction that made it, also when that is undone; it is lost with the connection.
struct PreparedStatements {
    private struct Entry {
        /// The name on the server, NUL-terminated, as libpq wants it.
        var serverName: ContiguousArray<CChar>
        var generation: Int
        var isPrepared: Bool
    }

    private var entries: [String: Entry] = [:]

    init() {}

    /// The name under which `statement` is to be prepared now; `nil` when it is prepared.
    mutating func nameToPrepare(_ statement: Statement) -> ContiguousArray<CChar>? {
        if let entry = entries[statement.name] {
            if entry.isPrepared { return nil }
            entries[statement.name]?.isPrepared = true
            return entry.serverName
        }
        let name = ContiguousArray(statement.name.utf8CString)
        entries[statement.name] = Entry(serverName: name, generation: 0, isPrepared: true)
        return name
    }

    /// The name to execute under.
    func serverName(_ statement: Statement) -> ContiguousArray<CChar>? { entries[statement.name]?.serverName }

    /// Preparing failed, or the server knows the statement no longer as it was: the next use prepares it again, under a name that was not
    /// used before.
    mutating func invalidate(_ name: String) {
        guard var entry = entries[name] else { return }
        entry.generation += 1
        entry.isPrepared = false
        entry.serverName = ContiguousArray("\(name)_\(entry.generation)".utf8CString)
        entries[name] = entry
    }
}
