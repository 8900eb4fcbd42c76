import Foundation
import GRPC
import Glibc
import Subprocess
import SystemPackage

/// The server under test.
struct BenchServer: Sendable {
    let endpoint: Endpoint
    /// As `flowstate --version` prints it; nil for a server that was running before.
    let version: String?
    /// Its process, to read its processor time; nil: not known.
    let process: pid_t?
}

/// Runs `body` against the server of `--endpoint`, or against one that is started for it.
func withServer<R: Sendable>(
    _ options: LoadOptions, _ body: @Sendable (BenchServer) async throws -> R
) async throws -> R {
    if let endpoint = options.endpoint.flatMap({ Endpoint($0) }) {
        return try await body(BenchServer(endpoint: endpoint, version: nil, process: options.serverProcess))
    }
    let program = try options.server ?? besideThisProgram()
    guard FileManager.default.isExecutableFile(atPath: program) else { throw BenchError.noServer(program) }
    // The server makes it: started as root it must give it to PostgreSQL's user. A short name leaves room for the socket's path.
    let name = String(UInt64.random(in: .min ... .max), radix: 36)
    let data = FileManager.default.temporaryDirectory.path + "/flowstate-bench-\(name)"
    defer { try? FileManager.default.removeItem(atPath: data) }
    return try await start(program, data: data, body)
}

private func besideThisProgram() throws -> String {
    try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe").split(separator: "/").dropLast()
        .reduce(into: "") { $0 += "/" + $1 } + "/flowstate"
}

private func start<R: Sendable>(
    _ program: String, data: String, _ body: @Sendable (BenchServer) async throws -> R
) async throws -> R {
    let version = try await Subprocess.run(
        .path(FilePath(program)), arguments: ["--version"], output: .string(limit: 1 << 10))
    let ending: [TeardownStep] = [.send(signal: .terminate, allowedDurationToNextStep: .seconds(60))]
    var platform = PlatformOptions()
    platform.teardownSequence = ending
    // A process group of its own: Ctrl-C reaches only this program, which ends the server itself.
    platform.processGroupID = 0
    let result = try await Subprocess.run(
        .path(FilePath(program)),
        arguments: ["serve", "--port", "0", "--data-directory", data, "--log-level", "warning"],
        platformOptions: platform, input: .none, output: .sequence, error: .currentStandardError
    ) { execution -> R in
        for try await line in execution.standardOutput.strings() {
            guard let address = line.wholeMatch(of: /flowstate is serving on (\S+)\s*/)?.1,
                let endpoint = Endpoint(String(address))
            else { continue }
            let text = version.standardOutput.trimmingCharacters(in: .whitespacesAndNewlines)
            let outcome: Result<R, any Error>
            do {
                let server = BenchServer(endpoint: endpoint, version: text, process: execution.processIdentifier.value)
                outcome = .success(try await body(server))
            } catch {
                outcome = .failure(error)
            }
            await execution.teardown(using: ending)
            return try outcome.get()
        }
        throw Task.isCancelled ? CancellationError() : BenchError.serverEnded(program)
    }
    return result.closureResult
}
