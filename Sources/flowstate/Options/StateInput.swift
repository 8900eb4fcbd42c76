import ArgumentParser
import SystemPackage

/// Where a state comes from: a file, standard input, or the command line.
struct StateInput: ParsableArguments {
    /// The largest state read from a file or standard input; the server's own limit is lower.
    static let largestBytes = 256 << 20

    @Option(
        name: [.customLong("file"), .customLong("state")],
        parsing: .unconditional, help: ArgumentHelp("The file with the state; - is standard input.", valueName: "file"))
    var file: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("The state itself.", valueName: "text"))
    var stateText: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("The state's media type. (default: application/json)", valueName: "type"))
    var contentType: String?

    mutating func validate() throws {
        if file != nil, stateText != nil { throw ValidationError("Give --file or --state-text, not both.") }
    }

    /// The state's bytes; nil when no option gives it.
    /// - Throws: `LocalFailure` when it cannot be read or is too large.
    func read() throws -> [UInt8]? {
        if let stateText { return Array(stateText.utf8) }
        return try file.map { try Self.read($0) }
    }

    /// Reads a file to its end; `-` is standard input.
    static func read(_ path: String, limit: Int = largestBytes) throws -> [UInt8] {
        do {
            if path == "-" { return try readToEnd(.standardInput, limit) }
            return try FileDescriptor.reading(path) { try readToEnd($0, limit) }
        } catch let error as Errno {
            let name = path == "-" ? "standard input" : "'\(path)'"
            throw LocalFailure("cannot read \(name): \(error)", status: .failure)
        }
    }

    private static func readToEnd(_ file: FileDescriptor, _ limit: Int) throws -> [UInt8] {
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = try file.read(into: &chunk)
            if count == 0 { return result }
            result.append(contentsOf: chunk[..<count])
            if result.count > limit {
                throw LocalFailure("the state is larger than \(limit) bytes", status: .invalidInput)
            }
        }
    }
}
