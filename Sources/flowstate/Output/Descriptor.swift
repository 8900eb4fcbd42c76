import Glibc

/// Why a system call failed: a value of `errno`.
struct SystemError: Error, Equatable, CustomStringConvertible {
    let number: Int32

    /// The error of the call that has just failed on this thread.
    static var last: SystemError { SystemError(number: errno) }

    var description: String { String(cString: strerror(number)) }
}

/// A file, pipe or terminal that is open.
struct Descriptor {
    let number: Int32

    static let standardInput = Descriptor(number: STDIN_FILENO)
    static let standardOutput = Descriptor(number: STDOUT_FILENO)
    static let standardError = Descriptor(number: STDERR_FILENO)

    var isTerminal: Bool { isatty(number) == 1 }

    /// - Returns: A file that the caller must close.
    static func openForReading(_ path: String) throws(SystemError) -> Descriptor {
        let number = open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw SystemError.last }
        return Descriptor(number: number)
    }

    /// A file for reading and writing, in `$TMPDIR` or `/tmp`, that has no name and is gone once it is closed.
    static func temporaryFile() throws(SystemError) -> Descriptor {
        let directory = getenv("TMPDIR").map { String(cString: $0) } ?? ""
        var name = Array(((directory.isEmpty ? "/tmp" : directory) + "/flowstate.XXXXXX").utf8CString)
        let number = mkstemp(&name)
        guard number >= 0 else { throw SystemError.last }
        unlink(name)
        return Descriptor(number: number)
    }

    func close() { _ = Glibc.close(number) }

    /// The position of the next byte to read; nil for a file that cannot seek, such as a pipe.
    var position: Int64? {
        let position = lseek(number, 0, SEEK_CUR)
        return position < 0 ? nil : Int64(position)
    }

    func seek(to position: Int64) throws(SystemError) {
        if lseek(number, off_t(position), SEEK_SET) < 0 { throw SystemError.last }
    }

    /// Copies all that can be read to another file.
    func copyToEnd(into other: Descriptor) throws(SystemError) {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = try read(into: &chunk)
            if count == 0 { return }
            try other.write(Array(chunk[..<count]))
        }
    }

    /// Runs `body` with a file that is open for reading, and closes it.
    /// - Throws: `SystemError`, and what `body` throws.
    static func reading<Result>(_ path: String, _ body: (Descriptor) throws -> Result) throws -> Result {
        let file = try openForReading(path)
        defer { file.close() }
        return try body(file)
    }

    /// Reads once, up to `buffer.count` bytes.
    /// - Returns: How many bytes were read; 0 at the end.
    /// - Throws: `SystemError`.
    func read(into buffer: inout [UInt8]) throws(SystemError) -> Int {
        while true {
            let count = buffer.withUnsafeMutableBytes { Glibc.read(number, $0.baseAddress, $0.count) }
            if count >= 0 { return count }
            if errno != EINTR { throw SystemError.last }
        }
    }

    /// - Throws: `SystemError`; some of the bytes may have been written before.
    func write(_ bytes: [UInt8]) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(number, $0.baseAddress.map { $0 + done }, $0.count - done) }
            if count >= 0 { done += count } else if errno != EINTR { throw SystemError.last }
        }
    }
}
