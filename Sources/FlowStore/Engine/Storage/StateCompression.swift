import Compression
import FlowModel
import Postgres
import Resources
import Synchronization

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
        _ rows: [Row], size: Int, largest: Int, depth: Int = VersionChain.usualDepth, _ zstd: ZstdPool
    ) -> Result<(state: [UInt8], chain: VersionChain), Failure> {
        let result = zstd.withContext { context in
            Result { () throws(Failure) in try read(rows, size: size, largest: largest, depth: depth, context) }
        }
        return result ?? .failure(.outOfMemory)
    }

    private static func read(
        _ rows: [Row], size: Int, largest: Int, depth: Int, _ context: ZstdContext
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
        return (state, VersionChain(levels: levels, depth: depth))
    }

    private static func state(
        of row: Row, base: [UInt8]?, size: Int?, largest: Int, _ context: ZstdContext
    ) throws(Failure) -> [UInt8] {
        guard let codec = StateCodec(rawValue: row.codec) else {
            throw .damaged("version \(row.version) has codec \(row.codec), which this release does not know")
        }
        if codec == .raw { return row.bytes }
        // `LoadRow` finds those.
        if codec == .parts { throw .damaged("version \(row.version) is stored in parts, which are not read here") }
        guard codec == .frame || base != nil else { throw .damaged("the base of version \(row.version) is missing") }
        let state = row.bytes.withUnsafeBytes { frame -> [UInt8]? in
            guard let content = ZstdContext.contentSize(of: frame), content == size ?? content, content <= largest else { return nil }
            return context.decompress(frame, size: content, base: codec == .patch ? base : nil)
        }
        guard let state else { throw .damaged("version \(row.version) is stored as \(row.bytes.count) bytes that do not unpack") }
        return state
    }
}

/// The encoding of a state in the column `state`.
enum StateCodec: Int16 {
    /// Byte for byte.
    case raw = 0
    /// A zstd frame.
    case frame = 1
    /// A zstd patch: a frame that refers to the bytes of the version `base_version`.
    case patch = 2
    /// In parts, which have rows of their own (`StateParts`). Nothing is stored against it.
    case parts = 3
}

/// A state as stored in its row.
struct StoredState: Sendable {
    var codec: StateCodec
    var bytes: [UInt8]
    /// The version to which a patch refers.
    var base: FlowVersion?
    /// The outcome of trying a patch.
    var trial = PatchTrial.none
}

enum PatchTrial: Sendable {
    /// It succeeded, or there was no base to try it against.
    case none
    case tooLarge
    /// Patches are not tried for now.
    case skipped
}

/// The versions of a flow against which its next version can be stored. Pure.
///
///     level 0    a whole state                        ●───────────────●────────
///     level 1    patches against it                   ├──●────●───●   ├──●─
///     leaf       patches against the newest of those     ├┬┬  ├┬  ├┬┬┬   ├┬
///
/// States of some size may have another level in between (`PatchDepth`): their patches grow with the distance from the base, and
/// small states gain nothing.
///
/// A patch grows with its distance from its base, so a base is renewed once the patches made against it take more bytes than it does
/// itself: then a new one costs no more than was spent on the old. Storage grows with what changes, and reading any version takes its
/// row and `maximumDepth` others at most.
struct VersionChain: Sendable {
    struct Level: Sendable {
        let version: FlowVersion
        let state: [UInt8]
        /// Bytes of the version in its row.
        let storedBytes: Int
        /// Bytes of the patches against it in theirs.
        var spentBytes = 0
    }

    /// Patches between a version and a whole state that can be read: a query names each base.
    static let maximumDepth = 3
    /// As far as every server can read, those of release 0.1.0 too.
    static let usualDepth = 2
    /// States whose chains may be deeper. Of a larger one too many copies would be in memory while it is read.
    private static let deepStates = (16 << 10)...(1 << 20)

    /// Levels above the leaves, for a state of this size.
    private static func levels(for size: Int, _ depth: Int) -> Int {
        let depth = min(max(depth, 1), maximumDepth)
        return deepStates.contains(size) ? depth : min(depth, usualDepth)
    }
    /// Smaller states are not worth a patch: the row alone is larger.
    private static let smallestState = 128
    private static let longestPause = 64

    /// From the whole state on, each a patch against the one before.
    private(set) var levels: [Level]
    /// States that have little in common are stored whole, and patches are tried ever more rarely.
    private var misses = 0
    private var pause = 0
    /// `PatchDepth`.
    private let depth: Int

    /// The chain of a version that was stored whole.
    init(_ version: FlowVersion, state: [UInt8], stored: StoredState, depth: Int = usualDepth) {
        self.depth = depth
        levels = [Level(version: version, state: state, storedBytes: stored.bytes.count)]
    }

    /// A chain read from the database, ending with the requested version. What was spent on a level is estimated from the last patch
    /// against it: patches grow with their distance, so on average they take about half of the last one.
    init(levels: [Level], depth: Int = usualDepth) {
        self.depth = depth
        self.levels = levels.prefix(Self.levels(for: levels.last?.state.count ?? 0, depth)).enumerated().map { place, level in
            var level = level
            guard place + 1 < levels.count else { return level }
            let next = levels[place + 1]
            // The distance between patches against this level is estimated by that of the next two levels; leaves follow each other.
            let interval = place + 2 < levels.count ? max(levels[place + 2].version - next.version, 1) : 1
            let patches = max(Int(clamping: (next.version - level.version) / interval), 1)
            level.spentBytes = max(next.storedBytes, next.storedBytes / 2 * patches)
            return level
        }
    }

    /// The level against which to store the next state, and the most bytes of the patch; nil: store it whole.
    func base(for state: [UInt8]) -> (level: Int, limit: Int)? {
        guard pause == 0, state.count >= Self.smallestState, let whole = levels.first else { return nil }
        guard let level = levels.lastIndex(where: { $0.spentBytes <= $0.storedBytes }) else { return nil }
        // Reading a small state must not require a large one.
        guard levels[...level].allSatisfy({ $0.state.count <= 2 * state.count }) else { return nil }
        // "Much smaller": half of what the whole state would take, going by the last one that was stored so.
        let wholeBytes = whole.storedBytes * state.count / max(whole.state.count, 1)
        return (level, wholeBytes / 2)
    }

    /// Whether patches are not tried for now.
    var isPausing: Bool { pause > 0 }

    /// Updates the chain after the version was committed.
    mutating func append(_ version: FlowVersion, state: [UInt8], stored: StoredState) {
        let new = Level(version: version, state: state, storedBytes: stored.bytes.count)
        guard let base = stored.base else {
            switch stored.trial {
            case .none: break
            case .tooLarge:
                misses += 1
                pause = min(1 << min(misses, 6), Self.longestPause)
            case .skipped: if pause > 0 { pause -= 1 }
            }
            levels = [new]
            return
        }
        (misses, pause) = (0, 0)
        // Its base may have left the chain while the save was in flight.
        guard let level = levels.lastIndex(where: { $0.version == base }) else { return }
        levels.removeSubrange((level + 1)...)
        levels[level].spentBytes += stored.bytes.count
        if levels.count < Self.levels(for: state.count, depth) { levels.append(new) }
    }

    /// Bytes in memory.
    var byteCount: Int { levels.reduce(0) { $0 + $1.state.count } }
}

/// How deep the store makes chains of patches: as far as `Limits.patchDepth` and every server on the database allow.
final class PatchDepth: Sendable {
    fileprivate static let read = statement("patch_depth", "SELECT patch_depth::bigint FROM flowstate.storage")
    fileprivate static let raise = statement(
        "raise_patch_depth",
        "UPDATE flowstate.storage SET patch_depth = \(VersionChain.maximumDepth) WHERE patch_depth < \(VersionChain.maximumDepth)")

    private static func statement(_ name: String, _ sql: String) -> Statement { Statement(name: name, sql: sql, parameterTypes: []) }

    private let limit: Int
    /// Until the database was asked, what every release can read.
    private let allowed = Atomic(VersionChain.usualDepth)

    init(limit: Int) { self.limit = limit }

    var current: Int { min(limit, allowed.load(ordering: .relaxed)) }

    fileprivate func allow(_ depth: Int) { allowed.store(depth, ordering: .relaxed) }
}

extension StateStore {
    /// Asks the database how deep chains of patches may be; until then they are as every release can read them. To be called whenever the
    /// database has become available: it may be another one.
    ///
    /// - Parameter isOnlyServer: no other server uses the database, so they may be as deep as this one can read them.
    package func readPatchDepth(isOnlyServer: Bool = false, deadline: Instant? = nil) async throws(StateError) {
        let context = OperationContext(deadline: deadline)
        if isOnlyServer {
            let raise = Query<Int>(statement: PatchDepth.raise, parameters: Parameters()) { .success($0.count) }
            _ = try await ask(raise, shard: 0, for: context)
        }
        var query = Query<Int64>(statement: PatchDepth.read, parameters: Parameters()) { rows throws(PostgresError) in
            .success(try rows.int64(0, 0))
        }
        query.goesWithOthers()
        resources.patchDepth.allow(Int(clamping: try await ask(query, for: context)))
    }
}
