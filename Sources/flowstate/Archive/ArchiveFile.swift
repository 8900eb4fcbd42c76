import FlowArchive
import FlowStateClient

/// An archive as a file: what is wrong with it is a failure that names it.
enum ArchiveFile {
    /// Runs `body` with a reader at the beginning of the file.
    /// - Throws: `LocalFailure` when the file cannot be read or is not an archive that is whole, and what else `body` throws.
    static func reading<Result>(_ path: String, _ body: (ArchiveReader) async throws -> Result) async throws -> Result {
        var isOpen = false
        do {
            return try await Descriptor.reading(path) { file in
                isOpen = true
                let reader = try ArchiveReader { buffer in
                    do throws(SystemError) {
                        return try file.read(into: &buffer)
                    } catch {
                        throw unreadable(path, error)
                    }
                }
                return try await body(reader)
            }
        } catch let error as ArchiveError {
            throw LocalFailure("'\(path)': \(error)", status: .invalidInput)
        } catch let error as SystemError where !isOpen {
            throw unreadable(path, error)
        }
    }

    /// Reads all of it, so that nothing is done because of an archive that turns out to be damaged.
    /// - Throws: as `reading`.
    static func verify(_ path: String) async throws -> (header: ArchiveHeader, totals: ArchiveTotals) {
        try await reading(path) { reader in
            while try reader.next() != nil {}
            return (reader.header, reader.totals)
        }
    }

    private static func unreadable(_ path: String, _ error: SystemError) -> LocalFailure {
        LocalFailure("cannot read '\(path)': \(error)", status: .failure)
    }
}
