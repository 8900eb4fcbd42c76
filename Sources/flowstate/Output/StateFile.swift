import FlowStateClient
import Glibc
import SystemPackage

/// A state that can be read from any place: a file, or a copy of standard input.
struct StateFile {
    private let file: FileDescriptor
    /// The name for messages.
    private let name: String
    /// Where the state begins in the file.
    private let beginning: Int64
    let size: Int64

    /// Runs `body` with the state at a path; `-` is standard input. What can only be read once, such as a pipe, is first copied to a file
    /// without a name.
    /// - Throws: `LocalFailure` when it cannot be read, and what `body` throws.
    static func opening<Result>(_ path: String, _ body: (StateFile) async throws -> Result) async throws -> Result {
        if path == "-" {
            guard !FileDescriptor.standardInput.isTerminal else {
                throw LocalFailure("a state cannot be typed: standard input is a terminal", status: .invalidInput)
            }
            return try await opening(.standardInput, "standard input", body)
        }
        let name = "'\(path)'"
        let file = try reading(name) { try FileDescriptor.openForReading(path) }
        defer { try? file.close() }
        return try await opening(file, name, body)
    }

    private static func opening<Result>(
        _ file: FileDescriptor, _ name: String, _ body: (StateFile) async throws -> Result
    ) async throws -> Result {
        if let beginning = file.position {
            let end = try reading(name) { try file.seek(offset: 0, from: .end) }
            return try await body(StateFile(file: file, name: name, beginning: beginning, size: max(end - beginning, 0)))
        }
        let copy = try reading("the rest of \(name)") { try FileDescriptor.temporaryFile() }
        defer { try? copy.close() }
        try reading(name) { try file.copyToEnd(into: copy) }
        let size = copy.position ?? 0
        return try await body(StateFile(file: copy, name: name, beginning: 0, size: size))
    }

    var source: UploadSource {
        let (file, name, beginning) = (file, name, beginning)
        return UploadSource(size: size) { offset, count in
            try Self.reading(name) {
                var buffer = [UInt8](repeating: 0, count: count)
                let read = try buffer.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: beginning + offset, into: $0) }
                buffer.removeLast(count - read)
                return buffer
            }
        }
    }

    private static func reading<Result>(_ name: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as Errno {
            throw LocalFailure("cannot read \(name): \(error)", status: .failure)
        }
    }
}
