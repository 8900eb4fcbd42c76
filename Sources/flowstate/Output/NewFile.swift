import Glibc

/// A file that appears under its name when it is complete, or not at all.
enum NewFile {
    /// Runs `body` with a file beside `path` that only its owner can read, and gives it that name when `body` has returned. When it throws,
    /// nothing is left. (Of a process that is killed a file stays whose name begins with that of `path`.)
    ///
    /// - Parameter replacing: otherwise a file that is there already is a failure, before `body` runs or afterwards.
    /// - Throws: `LocalFailure`, and what `body` throws.
    static func writing<Result>(
        _ path: String, replacing: Bool, _ body: (Descriptor) async throws -> Result
    ) async throws -> Result {
        if !replacing, access(path, F_OK) == 0 { throw exists(path) }
        var name = Array((path + ".XXXXXX").utf8CString)
        let number = mkstemp(&name)
        guard number >= 0 else { throw failure(path) }
        do {
            defer { close(number) }
            let result = try await body(Descriptor(number: number))
            guard fsync(number) == 0 else { throw failure(path) }
            try rename(name, path, replacing: replacing)
            return result
        } catch {
            unlink(name)
            throw error
        }
    }

    private static func rename(_ name: [CChar], _ path: String, replacing: Bool) throws {
        if !replacing {
            // Unlike rename(2), link(2) never replaces a file.
            if link(name, path) == 0 {
                unlink(name)
                return
            }
            if errno == EEXIST { throw exists(path) }
            // Some file systems have no links; that there was no such file was seen before.
            guard errno == EPERM || errno == EOPNOTSUPP else { throw failure(path) }
        }
        guard Glibc.rename(name, path) == 0 else { throw failure(path) }
    }

    private static func exists(_ path: String) -> LocalFailure {
        LocalFailure("'\(path)' exists already; --force replaces it", status: .conflict)
    }

    private static func failure(_ path: String) -> LocalFailure {
        LocalFailure("cannot write '\(path)': \(SystemError.last)", status: .failure)
    }
}
