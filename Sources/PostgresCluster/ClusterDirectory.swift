import Glibc
import Postgres
import Subprocess
import SystemPackage

/// The files of an embedded cluster:
///
///     <path>/flowstate.lock     held by the server that uses the directory
///     <path>/postgres/          PostgreSQL's data directory
///     <path>/postgres.log       its log, and the one before: postgres.log.1
///     <path>/socket/            its Unix socket, for this user and root only
struct ClusterDirectory: Sendable {
    /// The socket's file name; its whole path may have 107 bytes (unix(7)).
    private static let socketName = ".s.PGSQL.5432"
    private static let longestSocketPath = 107
    private static let largestLog = 8 << 20

    /// Without symbolic links.
    let path: String
    let user: ClusterUser

    var data: String { "\(path)/postgres" }
    var log: String { "\(path)/postgres.log" }
    /// The socket's directory, unless its path is too long or has special characters (`isPlain`).
    var ownSocketDirectory: String { "\(path)/socket" }
    static func lock(in path: String) -> String { "\(path)/flowstate.lock" }

    /// The major version in `PG_VERSION`; `nil` while there is no data.
    static func dataVersion(in path: String) -> Int? {
        Files.text("\(path)/postgres/PG_VERSION").flatMap { Int($0.trimmedLine) }
    }

    /// Creates the data directory if there is none. `initdb` works in a directory beside it that is renamed on completion, so that a killed
    /// `initdb` leaves no incomplete cluster.
    func initialize(_ programs: PostgresPrograms) async throws(EmbeddedClusterError) {
        await removeInterrupted()
        if let version = Self.dataVersion(in: path) {
            guard version == programs.version else {
                throw .versionMismatch(directory: data, data: "\(version)", binaries: "\(programs.version)")
            }
            return
        }
        guard Files.info(data) == nil else {
            throw .file(path: data, reason: "exists, but holds no PostgreSQL data (no PG_VERSION); move it away")
        }
        let temporary = "\(path)/postgres.init-\(getpid())"
        try user.makeDirectory(temporary)
        let arguments = [
            "--pgdata", temporary, "--username", EmbeddedCluster.superuser, "--auth-local", "trust", "--auth-host", "reject",
            "--encoding", "UTF8", "--no-locale", "--data-checksums", "--no-instructions",
        ]
        do {
            let command = user.command(programs.initdb, arguments)
            let result = try await Subprocess.run(
                command.program, arguments: command.arguments, environment: Self.environment,
                workingDirectory: FilePath(path), platformOptions: ClusterUser.platformOptions, input: .none,
                output: .discarded, error: .string(limit: 64 << 10))
            guard result.terminationStatus.isSuccess else {
                throw EmbeddedClusterError.initialization(result.standardError.trimmedLine)
            }
        } catch {
            Files.remove(temporary)
            throw error as? EmbeddedClusterError ?? .initialization("\(error)")
        }
        try Files.rename(temporary, data)
        try Files.synchronize(directory: path)
    }

    /// Removes what an `initdb` whose server was killed left behind. It may still run: once its directory is renamed it does not find its
    /// next file and exits, and the rest can be removed.
    private func removeInterrupted() async {
        for (number, name) in Files.names(in: path).filter({ $0.hasPrefix("postgres.init-") }).enumerated() {
            let discarded = "\(path)/postgres.init-discarded-\(getpid())-\(number)"
            guard (try? Files.rename("\(path)/\(name)", discarded)) != nil else { continue }
            for _ in 0..<100 {
                Files.remove(discarded)
                // Cancelled: the next start removes the rest.
                guard Files.info(discarded) != nil, (try? await Task.sleep(for: .milliseconds(50))) != nil else { break }
            }
        }
    }

    /// PostgreSQL's programs get none of the server's environment (`PGDATA`, `PGPORT`…) and write English.
    static let environment = Environment.custom(["PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"])

    /// Whether PostgreSQL and libpq take the directory as it is. libpq takes a comma as the end of a host name, quoted or not, and other
    /// special characters would have to survive the command line, a list setting and a connection string.
    static func isPlain(_ directory: String) -> Bool {
        directory.utf8.count + 1 + socketName.utf8.count <= longestSocketPath
            && directory.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    /// Creates the socket's directory; a new one under /tmp when the path is too long or has special characters (`isPlain`).
    func makeSocketDirectory() throws(EmbeddedClusterError) -> String {
        let directory = ownSocketDirectory
        if Self.isPlain(directory) {
            try user.makeDirectory(directory)
            // Left by a PostgreSQL that was killed; its process ID may belong to another process by now.
            for name in [Self.socketName, "\(Self.socketName).lock"] { unlink("\(directory)/\(name)") }
            return directory
        }
        // mkdtemp creates a new directory of mode 0700 or fails; it never uses an existing one.
        var template = Array("/tmp/flowstate-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Files.error("/tmp", "cannot make a directory for the socket") }
        let made = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        if user.isOther { try Files.changeOwner(made, user: user.user, group: user.group) }
        return made
    }

    /// Opens PostgreSQL's log for appending; moves a large one aside.
    func openLog() throws(EmbeddedClusterError) -> FileDescriptor {
        if let size = Files.info(log)?.size, size > Self.largestLog { try Files.rename(log, "\(log).1") }
        do {
            return try FileDescriptor.open(
                FilePath(log), .writeOnly, options: [.append, .create, .closeOnExec], permissions: [.ownerReadWrite])
        } catch {
            throw .file(path: log, reason: "cannot be opened: \(error)")
        }
    }

    /// The log's last error lines, from byte `offset` on.
    func errors(from offset: Int) -> [String] {
        let text = Files.text(log, from: offset) ?? ""
        let lines = text.split(whereSeparator: \.isNewline).filter { line in
            ["FATAL:", "PANIC:", "ERROR:", "HINT:", "DETAIL:"].contains { line.contains($0) }
        }
        return lines.suffix(6).map(String.init)
    }
}
