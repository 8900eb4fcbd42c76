import Foundation

/// The programs that the contract is checked with.
enum Tools {
    /// The folder that holds `proto/` and `Sources/`.
    static let root: URL = {
        var folder = URL(filePath: #filePath).deletingLastPathComponent()
        while folder.path != "/", !FileManager.default.fileExists(atPath: folder.appending(path: "proto/generate.sh").path) {
            folder = folder.deletingLastPathComponent()
        }
        return folder
    }()

    /// Other versions of protobuf-c write other C.
    static let canGenerate =
        (try? run("/usr/bin/env", ["protoc-c", "--version"]).contains("protobuf-c 1.4.1")) == true
        && (try? run("/usr/bin/env", ["protoc", "--version"])) != nil && (try? run("/usr/bin/env", ["python3", "--version"])) != nil

    /// A Python that has grpcio-tools.
    static let python: String? = {
        let path = root.appending(path: ".venv/bin/python3").path
        guard FileManager.default.isExecutableFile(atPath: path) else { return nil }
        return (try? run(path, ["-c", "import grpc_tools"])) == nil ? nil : path
    }()

    struct Failed: Error { let command: String, status: Int32, output: String }

    @discardableResult
    static func run(_ program: String, _ arguments: [String], input: String = "", check: Bool = true) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        // Files instead of pipes: nobody has to read while somebody writes.
        let folder = FileManager.default.temporaryDirectory.appending(path: "flowstate-run-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (stdin, stdout, stderr) = (folder.appending(path: "in"), folder.appending(path: "out"), folder.appending(path: "err"))
        try Data(input.utf8).write(to: stdin)
        try Data().write(to: stdout)
        try Data().write(to: stderr)
        process.standardInput = try FileHandle(forReadingFrom: stdin)
        process.standardOutput = try FileHandle(forWritingTo: stdout)
        process.standardError = try FileHandle(forWritingTo: stderr)
        try process.run()
        process.waitUntilExit()
        let output = try String(decoding: Data(contentsOf: stdout), as: UTF8.self)
        if check && process.terminationStatus != 0 {
            let errors = try String(decoding: Data(contentsOf: stderr), as: UTF8.self)
            throw Failed(command: ([program] + arguments).joined(separator: " "), status: process.terminationStatus, output: errors)
        }
        return output
    }

    static func runPython(_ script: String, input: String) throws -> String {
        try run(python ?? "python3", ["-c", script, root.appending(path: "proto").path], input: input)
    }
}
