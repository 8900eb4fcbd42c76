import CXXHash
import CZstd
import FlowArchive
import WireMessages

/// Archives in memory: made, taken apart and put together again.
enum MemoryArchive {
    static func version(_ number: Int64, _ state: [UInt8], checkpoints: [Checkpoint] = []) -> ArchivedVersion {
        let info = VersionInfo(
            version: number, parentVersion: number - 1, event: .saved, actor: "ada", contentType: "text/plain",
            sizeBytes: Int64(state.count),
            digest: digest(state), phase: "p", metadata: Array("{}".utf8), createdAt: Timestamp(seconds: number, nanos: 5), progress: 12.5)
        return ArchivedVersion(info: info, state: state, checkpoints: checkpoints)
    }

    static let event = HistoryEntry(
        time: Timestamp(seconds: 1), actor: "ada", entry: .event(FlowEvent(kind: "versions_pruned", details: Array("{}".utf8))))

    /// Two flows, the second with a gap in its versions.
    static let write = StoredWrite(write: PendingWrite(taskID: "t", index: -1, value: [1, 2]), versionLabel: "l")

    static func sample() throws -> [UInt8] {
        try write { writer in
            try writer.append(Flow(flowID: "a", flowType: "order", version: 2, labels: ["k": "v"]))
            try writer.append(version(1, Array("one".utf8), checkpoints: [Checkpoint(id: "c", name: "first", version: 1)]))
            try writer.append(version(2, []))
            try writer.append(write)
            try writer.append(event)
            try writer.append(Flow(flowID: "é\u{0}", version: 9))
            try writer.append(version(7, Array(0...255)))
            try writer.append(version(9, [UInt8](repeating: 7, count: 300_000)))
        }
    }

    static func write(_ body: (ArchiveWriter) throws -> Void) throws -> [UInt8] {
        var bytes: [UInt8] = []
        let writer = try ArchiveWriter(ArchiveHeader(program: "test", tenant: "acme")) { bytes += $0 }
        try body(writer)
        try writer.finish()
        return bytes
    }

    /// - Parameter piece: bytes that are there at a time.
    static func reader(_ bytes: [UInt8], piece: Int = 1 << 16) throws -> ArchiveReader {
        var place = 0
        return try ArchiveReader { buffer in
            let count = min(piece, buffer.count, bytes.count - place)
            buffer.replaceSubrange(..<count, with: bytes[place..<place + count])
            place += count
            return count
        }
    }

    @discardableResult
    static func readAll(_ bytes: [UInt8], piece: Int = 1 << 16) throws -> [ArchiveReader.Item] {
        let reader = try reader(bytes, piece: piece)
        var items: [ArchiveReader.Item] = []
        while let item = try reader.next() { items.append(item) }
        return items
    }

    static func digest(_ bytes: [UInt8]) -> [UInt8] {
        let hash = bytes.withUnsafeBytes { XXH3_128bits($0.baseAddress, $0.count) }
        return [hash.high64, hash.low64].flatMap { word in withUnsafeBytes(of: word.bigEndian) { Array($0) } }
    }

    /// One frame, as any tool makes it.
    static func compress(_ content: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: ZSTD_compressBound(content.count)) { buffer, count in
            count = content.withUnsafeBytes { ZSTD_compress(buffer.baseAddress, buffer.count, $0.baseAddress, $0.count, 3) }
        }
    }

    static func varint(_ value: UInt64) -> [UInt8] {
        value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7F) | 0x80] + varint(value >> 7)
    }

    static func framed(_ records: [ArchiveRecord.Record?]) -> [UInt8] {
        records.flatMap { record in
            let bytes = ArchiveRecord(record: record).encoded()
            return varint(UInt64(bytes.count)) + bytes
        }
    }

    static func header(version: Int32 = 1) -> ArchiveRecord.Record {
        .header(ArchiveHeader(format: "flowstate-archive", formatVersion: version))
    }

    /// Those records with a trailer that is right about the bytes, and says what it is told about the counts.
    static func sealed(_ records: [ArchiveRecord.Record?], _ trailer: ArchiveTrailer = ArchiveTrailer()) -> [UInt8] {
        let content = framed(records)
        var trailer = trailer
        trailer.digest = digest(content)
        return compress(content + framed([.trailer(trailer)]))
    }
}
