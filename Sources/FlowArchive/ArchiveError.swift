import Compression

/// Why a file cannot be read as an archive, or a record cannot be written into one.
package enum ArchiveError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file ends before its last record.
    case truncated
    /// The contents are not as they were written; with what was noticed.
    case damaged(String)
    /// The file is not an archive.
    case notAnArchive
    /// A format that this program does not know.
    case unknownFormat(version: Int32)
    /// A record that is larger than `ArchiveFormat.recordBytes`.
    case recordTooLarge(bytes: UInt64)
    /// zstd cannot allocate memory.
    case noMemory

    package var description: String {
        switch self {
        case .truncated: "the archive is truncated: it ends before its last record"
        case .damaged(let what): "the archive is damaged: \(what)"
        case .notAnArchive: "the file is not a Flowstate archive"
        case .unknownFormat(let version):
            "the archive has format \(version); this program reads format \(ArchiveFormat.version) only: use a newer release"
        case .recordTooLarge(let bytes):
            "a record of \(bytes) bytes is larger than the \(ArchiveFormat.recordBytes) bytes that a record may have"
        case .noMemory: "there is not enough memory to compress or decompress"
        }
    }
}

extension ArchiveError {
    /// Runs a step of compressing or decompressing; its failures are those of the archive.
    static func zstd<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as ZstdStreamError {
            switch error {
            case .noMemory: throw ArchiveError.noMemory
            case .truncated: throw ArchiveError.truncated
            case .damaged(let what): throw ArchiveError.damaged(what)
            }
        }
    }
}
