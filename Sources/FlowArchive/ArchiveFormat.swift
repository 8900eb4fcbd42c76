import WireMessages

/// The constants of the format that `archive.proto` describes.
package enum ArchiveFormat {
    package static let name = "flowstate-archive"
    package static let version: Int32 = 1
    /// The largest record: four times what servers accept as one message by default. A reader takes a few times as much memory, whatever a
    /// file says.
    package static let recordBytes = 64 << 20
    /// A state with more is written in parts, of so many bytes each.
    package static let wholeStateBytes = 16 << 20
    package static let partBytes = 1 << 20
    /// The largest state that servers have by default.
    static let stateBytes = 256 << 20
    /// The base-2 logarithm of zstd's window: wide enough to find a version of 16 MiB in the one before it, and narrower than what every
    /// decoder accepts by default (2^27). A reader refuses wider ones, since it would need that memory.
    static let windowLog: Int32 = 25
}

/// Counts what an archive contains, or what was read or written of one so far.
package struct ArchiveTotals: Equatable, Sendable {
    package var flows: Int64 = 0
    package var versions: Int64 = 0
    package var checkpoints: Int64 = 0
    package var writes: Int64 = 0
    package var events: Int64 = 0
    package var stateBytes: Int64 = 0

    package init() {}

    mutating func count(_ version: ArchivedVersion) {
        versions += 1
        checkpoints += Int64(version.checkpoints.count)
        stateBytes += Int64(version.state.count)
    }
}
