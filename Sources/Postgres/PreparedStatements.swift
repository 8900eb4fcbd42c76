/// Which statements a connection has prepared, under which names. Pure.
///
/// A prepared statement outlives its transaction, even if that is rolled back; it is lost with the connection.
struct PreparedStatements {
    private struct Entry {
        /// The name on the server, NUL-terminated, as libpq wants it.
        var serverName: ContiguousArray<CChar>
        var generation: Int
        var isPrepared: Bool
        /// The round of its last use.
        var round: Int
    }

    /// How many are kept; the least recently used are evicted first.
    private let capacity: Int
    private var entries: [String: Entry] = [:]
    private var round = 0

    init(capacity: Int = 256) { self.capacity = capacity }

    /// Begins a round; statements used in it are not evicted in it.
    mutating func beginRound() { round += 1 }

    /// The names on the server of the statements to deallocate now.
    mutating func evict() -> [ContiguousArray<CChar>] {
        var names: [ContiguousArray<CChar>] = []
        while entries.count > capacity, let (name, oldest) = entries.min(by: { $0.value.round < $1.value.round }), oldest.round < round {
            entries[name] = nil
            if oldest.isPrepared { names.append(oldest.serverName) }
        }
        return names
    }

    /// The name under which `statement` is to be prepared now; `nil` when it is prepared.
    mutating func nameToPrepare(_ statement: Statement) -> ContiguousArray<CChar>? {
        if let index = entries.index(forKey: statement.name) {
            entries.values[index].round = round
            if entries.values[index].isPrepared { return nil }
            entries.values[index].isPrepared = true
            return entries.values[index].serverName
        }
        let name = ContiguousArray(statement.name.utf8CString)
        entries[statement.name] = Entry(serverName: name, generation: 0, isPrepared: true, round: round)
        return name
    }

    /// The name to execute under.
    func serverName(_ statement: Statement) -> ContiguousArray<CChar>? { entries[statement.name]?.serverName }

    /// Preparing failed, or the server no longer knows the statement in this form: the next use prepares it again, under a name that was
    /// not used before.
    mutating func invalidate(_ name: String) {
        guard var entry = entries[name] else { return }
        entry.generation += 1
        entry.isPrepared = false
        entry.serverName = ContiguousArray("\(name)_\(entry.generation)".utf8CString)
        entries[name] = entry
    }
}
