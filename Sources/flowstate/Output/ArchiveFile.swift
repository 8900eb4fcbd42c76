import FlowArchive
import FlowStateClient
import SystemPackage

/// An archive that can be read more than once: a file, or a copy of standard input. Its errors are thrown as failures that name it.
struct ArchiveFile {
    /// The name for messages.
    private let name: String
    private let file: FileDescriptor
    /// Where the archive begins in the file.
    private let beginning: Int64

    /// Runs `body` with the archive at a path; `-` is standard input. Input that can only be read once, such as a pipe, is first copied to
    /// a file without a name.
    /// - Throws: `LocalFailure` when it cannot be read, and what `body` throws.
    static func opening<Result>(_ path: String, _ body: (ArchiveFile) async throws -> Result) async throws -> Result {
        guard path == "-" else {
            let name = "'\(path)'"
            let file = try readable(name) { () throws(Errno) in try FileDescriptor.openForReading(path) }
            defer { try? file.close() }
            return try await opening(file, name, body)
        }
        guard !FileDescriptor.standardInput.isTerminal else {
            throw LocalFailure("an archive cannot be typed: standard input is a terminal", status: .invalidInput)
        }
        return try await opening(.standardInput, "standard input", body)
    }

    private static func opening<Result>(
        _ file: FileDescriptor, _ name: String, _ body: (ArchiveFile) async throws -> Result
    ) async throws -> Result {
        if let beginning = file.position { return try await body(ArchiveFile(name: name, file: file, beginning: beginning)) }
        let copy = try readable("the rest of \(name)") { () throws(Errno) in try FileDescriptor.temporaryFile() }
        defer { try? copy.close() }
        try readable(name) { () throws(Errno) in try file.copyToEnd(into: copy) }
        return try await body(ArchiveFile(name: name, file: copy, beginning: 0))
    }

    /// Runs `body` with a reader at the beginning of the archive.
    /// - Throws: `LocalFailure` when it cannot be read or is not a complete archive, and what else `body` throws.
    func reading<Result>(_ body: (ArchiveReader) async throws -> Result) async throws -> Result {
        do {
            try Self.readable(name) { () throws(Errno) in try file.seek(to: beginning) }
            let reader = try ArchiveReader { [name, file] buffer in
                try Self.readable(name) { () throws(Errno) in try file.read(into: &buffer) }
            }
            return try await body(reader)
        } catch let error as ArchiveError {
            throw LocalFailure("\(name): \(error)", status: .invalidInput)
        }
    }

    /// Reads all of it, so that a damaged archive is noticed before anything is done with it.
    /// - Throws: As `reading`.
    func verify() async throws -> (header: ArchiveHeader, totals: ArchiveTotals) {
        try await reading { reader in
            while try reader.next() != nil {}
            return (reader.header, reader.totals)
        }
    }

    private static func readable<Result>(_ name: String, _ body: () throws(Errno) -> Result) throws(LocalFailure) -> Result {
        do {
            return try body()
        } catch {
            throw LocalFailure("cannot read \(name): \(error)", status: .failure)
        }
    }
}
