import Compression
import FlowModel
import Postgres

/// One row of a statement of `LoadSQL`.
struct LoadRow {
    let head: FlowHead
    /// nil: the version does not exist.
    let version: VersionRecord?
    private let checkpointEpoch: Int64
    private let bytes: [StateCompression.Row]

    private static let epochColumn = 1 + FlowRow.headColumnCount
    private static let versionColumn = epochColumn + 1
    private static let stateColumn = versionColumn + VersionRow.columnCount

    /// - Parameter known: cached bases, whose states were not asked for.
    init(_ rows: ResultRows, _ row: Int, key: FlowKey, known: [FlowVersion: [UInt8]] = [:]) throws(PostgresError) {
        head = try FlowRow.head(rows, row, from: 1, key: key)
        checkpointEpoch = try rows.int64(row, Self.epochColumn)
        version = try VersionRow.record(rows, row, from: Self.versionColumn)
        var bytes: [StateCompression.Row] = []
        for place in 0...VersionChain.maximumDepth {
            let column = Self.stateColumn + 3 * place
            guard let version = try rows.int64IfPresent(row, column) else { break }
            let codec = try rows.int16(row, column + 1)
            if place > 0, let state = known[version] {
                bytes.append(StateCompression.Row(version: version, codec: codec, bytes: [], state: state))
                break
            }
            guard let state = try rows.bytesIfPresent(row, column + 2) else { break }
            bytes.append(StateCompression.Row(version: version, codec: codec, bytes: state))
        }
        self.bytes = bytes
    }

    /// Whether a base came from the cache.
    var reliesOnCache: Bool { bytes.last?.state != nil }

    /// The version with its state, if it was sent along and is what was saved, and the chain that ends with it. They are inserted into the
    /// cache.
    func read(_ resources: StoreResources) -> Result<(snapshot: Snapshot, chain: VersionChain), StateError> {
        guard let version else { return .failure(.internalFault("a version that is not there has no state")) }
        let loss = { (message: String) in
            Result<(snapshot: Snapshot, chain: VersionChain), StateError>.failure(
                .dataLoss(flowID: head.key.flowID, version: version.version, message: message))
        }
        switch StateCompression.read(
            bytes, size: Int(clamping: version.size), largest: resources.limits.streamedStateBytes, resources.zstd)
        {
        case .failure(.outOfMemory): return .failure(.internalFault("out of memory"))
        case .failure(.damaged(let message)): return loss(message)
        case .success(let (state, chain)):
            guard Int64(state.count) == version.size, XXH3.digest(state) == version.digest else {
                return loss("\(version.size) bytes were saved, \(state.count) bytes with another digest were read")
            }
            if version.version != head.version, let base = chain.levels.first, base.version != version.version, !reliesOnCache {
                resources.cache.insert(base: base.state, base.version, of: head.key)
            }
            let snapshot = Snapshot(head: head, version: version, state: state)
            if version.version == head.version, !head.isDeleted, !reliesOnCache {
                let known = CachedVersion(
                    version: version.version, updatedAt: head.updatedAt, checkpointEpoch: checkpointEpoch, snapshot: snapshot,
                    chain: chain)
                resources.cache.insert(known, of: head.key)
            }
            return .success((snapshot, chain))
        }
    }
}
