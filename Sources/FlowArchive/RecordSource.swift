import Compression
import Protobuf
import WireMessages

/// Cuts an archive's bytes into records, whatever these say.
final class RecordSource {
    private let decompressor: ZstdDecompressor
    private let running: RunningDigest
    /// Decompressed bytes; those from `place` up to `count` are still to be read.
    private var buffer = [UInt8](repeating: 0, count: 1 << 17)
    private var place = 0
    private var count = 0

    init(read: @escaping (inout [UInt8]) throws -> Int) throws {
        guard let running = RunningDigest() else { throw ArchiveError.noMemory }
        self.running = running
        decompressor = try ArchiveError.zstd { try ZstdDecompressor(windowLog: ArchiveFormat.windowLog, read: read) }
    }

    /// The digest of all records so far, including their lengths.
    var digest: [UInt8] { running.value }

    func next() throws -> ArchiveRecord {
        let bytes = try take(try length())
        running.update(bytes)
        do {
            return try ArchiveRecord.decode(bytes)
        } catch {
            throw ArchiveError.damaged("a record cannot be decoded (\(error))")
        }
    }

    /// - Throws: `ArchiveError.damaged` unless nothing more follows and zstd's checksum is right.
    func expectEnd() throws {
        guard place == count, try decompressed() == 0 else {
            throw ArchiveError.damaged("something follows its last record")
        }
    }

    private func length() throws -> Int {
        var spelled: [UInt8] = []
        var value: UInt64 = 0
        repeat {
            if place == count { try fill() }
            spelled.append(buffer[place])
            place += 1
            value |= UInt64(spelled[spelled.count - 1] & 0x7F) << UInt64(7 * (spelled.count - 1))
            // Five groups of seven bits hold more than any length that is allowed.
        } while spelled[spelled.count - 1] & 0x80 != 0 && spelled.count < 5
        guard value <= UInt64(ArchiveFormat.recordBytes) else { throw ArchiveError.recordTooLarge(bytes: value) }
        guard spelled[spelled.count - 1] & 0x80 == 0 else { throw ArchiveError.damaged("a record's length is malformed") }
        running.update(spelled)
        return Int(value)
    }

    /// Reserves memory as bytes arrive, not as a length promises them.
    private func take(_ length: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(length, 1 << 20))
        while bytes.count < length {
            if place == count { try fill() }
            let taken = min(length - bytes.count, count - place)
            bytes.append(contentsOf: buffer[place..<place + taken])
            place += taken
        }
        return bytes
    }

    private func decompressed() throws -> Int { try ArchiveError.zstd { try decompressor.decompress(into: &buffer) } }

    private func fill() throws {
        (place, count) = (0, try decompressed())
        // A file that was cut off would not have ended its frame; this one was written without the record.
        if count == 0 { throw ArchiveError.damaged("its last record is missing") }
    }
}
