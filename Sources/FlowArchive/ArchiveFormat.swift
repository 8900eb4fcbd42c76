import WireMessages

/// The constants of the format that `archive.proto` describes.
public enum ArchiveFormat {
    public static let name = "flowstate-archive"
    public static let version: Int32 = 1
    /// The largest record: four times what servers accept as one message by default. A reader takes a few times as much memory, whatever a
    /// file says.
    public static let recordBytes = 64 << 20
    /// The base-2 logarithm of zstd's window: wide enough to find a version of 16 MiB in the one before it, and narrower than what every
    /// decoder accepts by default (2^27). A reader refuses wider ones, since it would need that memory.
    static let windowLog: Int32 = 25
}

/// Counts what an archive contains, or what was read or written of one so far.
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
