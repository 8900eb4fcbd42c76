import WireMessages

/// What `archive.proto` says in words.
public enum ArchiveFormat {
    public static let name = "flowstate-archive"
    public static let version: Int32 = 1
    /// One record at most, four times what servers take as one message unless told otherwise. A reader has a few times as much in memory,
    /// whatever a file says.
    public static let recordBytes = 64 << 20
    /// The base-2 logarithm of zstd's window: wide enough to find a version of 16 MiB in the one before it, and narrower than what every
    /// decoder accepts unasked (2^27). A reader refuses wider ones, since it would need that memory.
    static let windowLog: Int32 = 25
}

/// What is in an archive, or has been read or written of one.
public struct ArchiveTotals: Equatable, Sendable {
    public var flows: Int64 = 0
    public var versions: Int64 = 0
    public var checkpoints: Int64 = 0
    public var events: Int64 = 0
    public var stateBytes: Int64 = 0

    public init() {}

    mutating func count(_ version: ArchivedVersion) {
        versions += 1
        checkpoints += Int64(version.checkpoints.count)
        stateBytes += Int64(version.state.count)
    }
}
