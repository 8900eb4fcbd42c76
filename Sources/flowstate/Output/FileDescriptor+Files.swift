import Glibc
import SystemPackage

// What the commands need of files, pipes and terminals beside SystemPackage's `FileDescriptor`.

extension FileDescriptor {
    var isTerminal: Bool { isatty(rawValue) == 1 }

    /// - Returns: A file that the caller must close.
    static func openForReading(_ path: String) throws(Errno) -> FileDescriptor {
        try errno { try open(FilePath(path), .readOnly, options: .closeOnExec) }
    }

    /// A file for reading and writing, in `$TMPDIR` or `/tmp`, that has no name and is gone once it is closed.
    static func temporaryFile() throws(Errno) -> FileDescriptor {
        let directory = getenv("TMPDIR").map { String(cString: $0) } ?? ""
        var name = Array(((directory.isEmpty ? "/tmp" : directory) + "/flowstate.XXXXXX").utf8CString)
        let number = mkstemp(&name)
        guard number >= 0 else { throw Errno.last }
        unlink(name)
        return FileDescriptor(rawValue: number)
    }

    /// The position of the next byte to read; nil for a file that cannot seek, such as a pipe.
    var position: Int64? { try? seek(offset: 0, from: .current) }

    func seek(to position: Int64) throws(Errno) { _ = try Self.errno { try seek(offset: position, from: .start) } }

    /// Copies all that can be read to another file.
    func copyToEnd(into other: FileDescriptor) throws(Errno) {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = try read(into: &chunk)
            if count == 0 { return }
            try other.write(chunk[..<count])
        }
    }

    /// Runs `body` with a file that is open for reading, and closes it.
    ///
    /// - Throws: `Errno`, and what `body` throws.
    static func reading<Result>(_ path: String, _ body: (FileDescriptor) throws -> Result) throws -> Result {
        let file = try openForReading(path)
        return try file.closeAfter { try body(file) }
    }

    /// Reads once, up to `buffer.count` bytes.
    ///
    /// - Returns: How many bytes were read; 0 at the end.
    func read(into buffer: inout [UInt8]) throws(Errno) -> Int {
        try Self.errno { try buffer.withUnsafeMutableBytes { try read(into: $0) } }
    }

    /// Some of the bytes may have been written before it throws.
    func write(_ bytes: some Sequence<UInt8>) throws(Errno) { _ = try Self.errno { try writeAll(bytes) } }

    /// Every function of SystemPackage throws `Errno`, without saying so in its type.
    private static func errno<Value>(_ body: () throws -> Value) throws(Errno) -> Value {
        do { return try body() } catch { throw error as? Errno ?? .ioError }
    }
}

extension Errno {
    /// The error of the call that has just failed on this thread.
    static var last: Errno { Errno(rawValue: Glibc.errno) }
}
