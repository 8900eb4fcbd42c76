import Glibc

/// The reason why the system refused something: a value of `errno`.
struct SystemError: Error, Equatable, CustomStringConvertible {
    let number: Int32

    /// Of the call that has just failed on this thread.
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

    /// Runs `body` with a file that is open for reading, and closes it.
    /// - Throws: `SystemError`, and what `body` throws.
    static func reading<Result>(_ path: String, _ body: (Descriptor) throws -> Result) throws -> Result {
        let number = open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw SystemError.last }
        defer { close(number) }
        return try body(Descriptor(number: number))
    }

    /// The same for what waits for something else in between.
    static func reading<Result>(_ path: String, _ body: (Descriptor) async throws -> Result) async throws -> Result {
        let number = open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw SystemError.last }
        defer { close(number) }
        return try await body(Descriptor(number: number))
    }

    /// Reads once, up to `buffer.count` bytes.
    /// - Returns: how many bytes there were; 0 at the end.
    /// - Throws: `SystemError`.
    func read(into buffer: inout [UInt8]) throws(SystemError) -> Int {
        while true {
            let count = buffer.withUnsafeMutableBytes { Glibc.read(number, $0.baseAddress, $0.count) }
            if count >= 0 { return count }
            if errno != EINTR { throw SystemError.last }
        }
    }

    /// - Throws: `SystemError`; some of the bytes may have been written then.
    func write(_ bytes: [UInt8]) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(number, $0.baseAddress.map { $0 + done }, $0.count - done) }
            if count >= 0 { done += count } else if errno != EINTR { throw SystemError.last }
        }
    }
}
