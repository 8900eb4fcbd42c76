import Compression
import FlowModel
import Postgres

/// Converts states to rows and back.
enum StateCompression {
    /// A row that holds a state, or a base against which the state was stored.
    struct Row {
        let version: FlowVersion
        let codec: Int16
        let bytes: [UInt8]
        /// The state of a base that is known already, whose bytes were not read.
        var state: [UInt8]?
    }

    enum Failure: Error, Equatable {
        /// The stored bytes cannot be those that were saved.
        case damaged(String)
        case outOfMemory
    }

    /// Chooses how to store a state: as a patch where that is much smaller, as a frame where that is smaller, else as it is.
    ///
    /// - Parameter chain: the newest committed bases of the flow, as far as they are known.
    static func store(_ state: [UInt8], after chain: VersionChain?, _ zstd: ZstdPool) -> StoredState {
        guard let chain else { return storeWhole(state, zstd) }
        guard let (level, limit) = chain.base(for: state) else {
            var stored = storeWhole(state, zstd)
            if chain.isPausing { stored.trial = .skipped }
            return stored
        }
        let base = chain.levels[level]
        let patch = zstd.withContext { $0.compress(state, base: base.state, limit: limit) }
        if let patch = patch ?? nil { return StoredState(codec: .patch, bytes: patch, base: base.version) }
        var stored = storeWhole(state, zstd)
        stored.trial = .tooLarge
        return stored
    }

    static func storeWhole(_ state: [UInt8], _ zstd: ZstdPool) -> StoredState {
        let frame = zstd.withContext { $0.compress(state, limit: state.count - 1) }
        if let frame = frame ?? nil { return StoredState(codec: .frame, bytes: frame) }
        return StoredState(codec: .raw, bytes: state)
    }

    /// - Parameter rows: the version and its bases, each stored against the next one.
    /// - Returns: the state, and the chain that ends with it.
    static func read(
        _ rows: [Row], size: Int, largest: Int, _ zstd: ZstdPool
    ) -> Result<(state: [UInt8], chain: VersionChain), Failure> {
        let result = zstd.withContext { context in
            Result { () throws(Failure) in try read(rows, size: size, largest: largest, context) }
        }
        return result ?? .failure(.outOfMemory)
    }

    private static func read(
        _ rows: [Row], size: Int, largest: Int, _ context: ZstdContext
    ) throws(Failure) -> (state: [UInt8], chain: VersionChain) {
        var levels: [VersionChain.Level] = []
        for (place, row) in rows.enumerated().reversed() {
            let isBase = place > 0
            let state =
                if let known = row.state { known } else {
                    try state(of: row, base: levels.last?.state, size: isBase ? nil : size, largest: largest, context)
                }
            levels.append(VersionChain.Level(version: row.version, state: state, storedBytes: row.bytes.count))
        }
        guard let state = levels.last?.state else { throw .damaged("there is no row") }
        return (state, VersionChain(levels: levels))
    }

    private static func state(
        of row: Row, base: [UInt8]?, size: Int?, largest: Int, _ context: ZstdContext
    ) throws(Failure) -> [UInt8] {
        guard let codec = StateCodec(rawValue: row.codec) else {
            throw .damaged("version \(row.version) has codec \(row.codec), which this release does not know")
        }
        if codec == .raw { return row.bytes }
        guard codec == .frame || base != nil else { throw .damaged("the base of version \(row.version) is missing") }
        let state = row.bytes.withUnsafeBytes { frame -> [UInt8]? in
            guard let content = ZstdContext.contentSize(of: frame), content == size ?? content, content <= largest else { return nil }
            return context.decompress(frame, size: content, base: codec == .patch ? base : nil)
        }
        guard let state else { throw .damaged("version \(row.version) is stored as \(row.bytes.count) bytes that do not unpack") }
        return state
    }
}
