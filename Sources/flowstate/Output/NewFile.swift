import Glibc
import SystemPackage

/// A file that appears under its name when it is complete, or not at all.
enum NewFile {
    /// Runs `body` with a file beside `path` that only its owner can read, and renames it to `path` when `body` has returned. When `body`
    /// throws, nothing is left. (A process that is killed leaves a file whose name begins with that of `path`.)
    ///
    /// A device or a pipe is never replaced: with `replacing`, it is written to.
    ///
    /// - Parameter replacing: If false, a file that exists already is a failure, before `body` runs or afterwards.
    /// - Throws: `LocalFailure`, and what `body` throws.
    static func writing<Result>(
        _ path: String, replacing: Bool, _ body: (FileDescriptor) async throws -> Result
    ) async throws -> Result {
        if !replacing, access(path, F_OK) == 0 { throw exists(path) }
        if isSpecial(path) {
            let number = open(path, O_WRONLY | O_CLOEXEC)
            guard number >= 0 else { throw failure(path) }
            defer { close(number) }
            return try await body(FileDescriptor(rawValue: number))
        }
        var name = Array((path + ".XXXXXX").utf8CString)
        let number = mkstemp(&name)
        guard number >= 0 else { throw failure(path) }
        do {
            defer { close(number) }
            let result = try await body(FileDescriptor(rawValue: number))
            guard fsync(number) == 0 else { throw failure(path) }
            try rename(name, path, replacing: replacing)
            return result
        } catch {
            unlink(name)
            throw error
        }
    }

    /// Whether there is something that is neither a regular file nor a directory.
    private static func isSpecial(_ path: String) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else { return false }
        return status.st_mode & S_IFMT != S_IFREG && status.st_mode & S_IFMT != S_IFDIR
    }

    private static func rename(_ name: [CChar], _ path: String, replacing: Bool) throws {
        if !replacing {
            // Unlike rename(2), link(2) never replaces a file.
            if link(name, path) == 0 {
                unlink(name)
                return
            }
            if errno == EEXIST { throw exists(path) }
            // Some file systems have no links; `writing` has checked that there was no such file.
            guard errno == EPERM || errno == EOPNOTSUPP else { throw failure(path) }
        }
        guard Glibc.rename(name, path) == 0 else { throw failure(path) }
    }

    private static func exists(_ path: String) -> LocalFailure {
        LocalFailure("'\(path)' exists already; --force replaces it", status: .conflict)
    }

    private static func failure(_ path: String) -> LocalFailure {
        LocalFailure("cannot write '\(path)': \(Errno.last)", status: .failure)
    }
}
