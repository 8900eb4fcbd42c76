import Glibc
import Postgres
import Subprocess
import SystemPackage

/// An installation of PostgreSQL's server programs.
struct PostgresPrograms: Sendable, Equatable {
    /// Where `postgres` and `initdb` are.
    let directory: String
    /// The major version, such as 15.
    let version: Int

    var postgres: String { "\(directory)/postgres" }
    var initdb: String { "\(directory)/initdb" }

    /// Debian and Ubuntu keep each major version in a directory of its own, outside `PATH`.
    private static let distribution = "/usr/lib/postgresql"

    /// Finds an installation: only the given directory, if any; else the version that made the data, else `pg_config`'s, else the newest.
    static func find(explicit: String?, dataVersion: Int?) async throws(EmbeddedClusterError) -> PostgresPrograms {
        var searched: [String] = []
        var found: [PostgresPrograms] = []
        for directory in await candidates(explicit: explicit) where !searched.contains(directory) {
            searched.append(directory)
            guard access("\(directory)/postgres", X_OK) == 0, access("\(directory)/initdb", X_OK) == 0,
                let version = await version(of: "\(directory)/postgres"), version >= 14
            else { continue }
            found.append(PostgresPrograms(directory: directory, version: version))
        }
        guard let programs = found.first(where: { $0.version == dataVersion }) ?? found.first else {
            throw .binariesNotFound(searched: searched)
        }
        return programs
    }

    private static func candidates(explicit: String?) async -> [String] {
        if let explicit { return [explicit] }
        let configured = await output(.name("pg_config"), ["--bindir"]).map { [$0.trimmedLine] } ?? []
        let versions = Files.names(in: distribution).compactMap(Int.init).sorted(by: >)
        return configured + versions.map { "\(distribution)/\($0)/bin" }
    }

    /// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)" is 15; "17beta1" is 17.
    static func majorVersion(_ text: String) -> Int? {
        text.split(separator: ")", maxSplits: 1).last.flatMap { Int($0.drop(while: \.isWhitespace).prefix(while: \.isNumber)) }
    }

    private static func version(of postgres: String) async -> Int? {
        await output(.path(FilePath(postgres)), ["--version"]).flatMap(majorVersion)
    }

    private static func output(_ program: Executable, _ arguments: [String]) async -> String? {
        let result = try? await Subprocess.run(
            program, arguments: Arguments(arguments), input: .none, output: .string(limit: 4096), error: .discarded)
        guard let result, result.terminationStatus.isSuccess else { return nil }
        return result.standardOutput
    }
}
