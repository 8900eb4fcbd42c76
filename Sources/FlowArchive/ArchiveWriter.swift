import Compression
import WireMessages

/// Writes an archive (`archive.proto`), record by record, with one version in memory. Belongs to one thread at a time.
///
/// Without `finish` the file is not an archive: readers report that it is truncated.
package final class ArchiveWriter {
    private let compressor: ZstdCompressor
    private let digest: RunningDigest
    private let write: ([UInt8]) throws -> Void
    /// What was written so far.
    package private(set) var totals = ArchiveTotals()
    /// Bytes of the file so far; the compressor may still hold back some of what was appended.
    package private(set) var fileBytes: Int64 = 0

    /// - Parameters:
    ///   - header: `format` and `formatVersion` are filled in.
    ///   - write: Takes the file's bytes in order; every function here rethrows its errors.
    /// - Throws: `ArchiveError.noMemory`, and what `write` throws.
    package init(_ header: ArchiveHeader, write: @escaping ([UInt8]) throws -> Void) throws {
        guard let digest = RunningDigest() else { throw ArchiveError.noMemory }
        self.digest = digest
        self.write = write
        compressor = try ArchiveError.zstd { try ZstdCompressor(windowLog: ArchiveFormat.windowLog) }
        var header = header
        header.format = ArchiveFormat.name
        header.formatVersion = ArchiveFormat.version
        try append(.header(header))
    }

    /// Begins the next flow.
    package func append(_ flow: Flow) throws {
        try append(.flow(flow))
        totals.flows += 1
    }

    /// Appends a version of the last flow, with a higher number than the one before.
    ///
    /// - Throws: `ArchiveError.damaged` when the state does not have the digest or the size that its version says;
    ///   `ArchiveError.recordTooLarge`.
    package func append(_ version: ArchivedVersion) throws {
        if let fault = version.fault { throw ArchiveError.damaged(fault) }
        var rest = version
        if version.state.count > ArchiveFormat.wholeStateBytes {
            for start in stride(from: 0, to: version.state.count, by: ArchiveFormat.partBytes) {
                try append(.statePart(Array(version.state[start...].prefix(ArchiveFormat.partBytes))))
            }
            rest.state = []
        }
        try append(.version(rest))
        totals.count(version)
    }

    /// Appends a pending write of the last flow, behind its versions.
    package func append(_ write: StoredWrite) throws {
        try append(.write(write))
        totals.writes += 1
    }

    /// Appends an event of the last flow, behind its versions and writes.
    package func append(_ event: HistoryEntry) throws {
        try append(.event(event))
        totals.events += 1
    }

    /// Appends the trailer. Nothing may be appended afterwards.
    package func finish() throws {
        let trailer = ArchiveTrailer(
            flows: totals.flows, versions: totals.versions, checkpoints: totals.checkpoints, events: totals.events,
            stateBytes: totals.stateBytes, digest: digest.value, writes: totals.writes)
        try append(.trailer(trailer), isLast: true)
    }

    private func append(_ record: ArchiveRecord.Record, isLast: Bool = false) throws {
        let bytes = ArchiveRecord(record: record).encoded()
        guard bytes.count <= ArchiveFormat.recordBytes else { throw ArchiveError.recordTooLarge(bytes: UInt64(bytes.count)) }
        let framed = Self.varint(bytes.count) + bytes
        digest.update(framed)
        try ArchiveError.zstd {
            try compressor.compress(framed, isLast: isLast) {
                fileBytes += Int64($0.count)
                try write($0)
            }
        }
    }

    /// Encodes the least significant seven bits first.
    private static func varint(_ value: Int) -> [UInt8] {
        var rest = UInt(value)
        var bytes: [UInt8] = []
        while rest > 0x7F {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(truncatingIfNeeded: rest)]
    }
}

extension ArchivedVersion {
    /// What is wrong with its state; nil when nothing is.
    var fault: String? {
        guard let info else { return "a version has no info" }
        guard info.sizeBytes == Int64(state.count) else {
            return "the state of version \(info.version) has \(state.count) bytes instead of \(info.sizeBytes)"
        }
        guard info.digest == XXH3.digest(state) else { return "the state of version \(info.version) has another digest" }
        return nil
    }
}
