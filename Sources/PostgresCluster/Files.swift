import Glibc

/// The few file operations that the cluster needs.
enum Files {
    struct Info {
        let user: uid_t
        let group: gid_t
        let mode: mode_t
        let size: Int
        var isDirectory: Bool { mode & S_IFMT == S_IFDIR }
    }

    /// The error of the last system call, which was on `path`.
    static func error(_ path: String, _ action: String) -> EmbeddedClusterError {
        .file(path: path, reason: "\(action): \(String(cString: strerror(errno)))")
    }

    static func info(_ path: String) -> Info? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return Info(user: status.st_uid, group: status.st_gid, mode: status.st_mode, size: Int(status.st_size))
    }

    /// Creates a directory and its parents; returns whether it is new.
    @discardableResult
    static func makeDirectory(_ path: String, mode: mode_t) throws(EmbeddedClusterError) -> Bool {
        if let info = info(path) {
            guard info.isDirectory else { throw .file(path: path, reason: "is not a directory") }
            return false
        }
        if let slash = path.lastIndex(of: "/"), slash > path.startIndex {
            try makeDirectory(String(path[..<slash]), mode: 0o755)
        }
        guard mkdir(path, mode) == 0 || errno == EEXIST else { throw error(path, "cannot be made") }
        return true
    }

    static func changeOwner(_ path: String, user: uid_t, group: gid_t) throws(EmbeddedClusterError) {
        guard chown(path, user, group) == 0 else { throw error(path, "cannot be given to user \(user)") }
    }

    static func rename(_ from: String, _ to: String) throws(EmbeddedClusterError) {
        guard Glibc.rename(from, to) == 0 else { throw error(from, "cannot be renamed to \(to)") }
    }

    /// Makes a renaming in `directory` durable.
    static func synchronize(directory: String) throws(EmbeddedClusterError) {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw error(directory, "cannot be opened") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw error(directory, "cannot be synchronised") }
    }

    /// The text of a file from `offset` on, at most `limit` bytes; `nil` when it cannot be read.
    static func text(_ path: String, from offset: Int = 0, limit: Int = 64 << 10) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = pread(descriptor, &bytes, limit, off_t(offset))
        return count < 0 ? nil : String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: pointer.pointee)) {
                    String(cString: $0)
                }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Removes a file or a directory with all it holds; follows no links.
    static func remove(_ path: String) {
        if unlink(path) == 0 || errno == ENOENT { return }
        for name in names(in: path) { remove("\(path)/\(name)") }
        rmdir(path)
    }

    static func linkTarget(_ path: String) -> String? {
        var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = bytes.withUnsafeMutableBytes { buffer in
            guard let base = buffer.baseAddress else { return -1 }
            return readlink(path, base.assumingMemoryBound(to: CChar.self), buffer.count)
        }
        return count < 0 ? nil : String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    /// The path without links and dots.
    static func realPath(_ path: String) throws(EmbeddedClusterError) -> String {
        guard let resolved = realpath(path, nil) else { throw error(path, "cannot be resolved") }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}

/// An exclusive flock(2) on a file that holds its owner's process ID; released when the process ends, in whatever way.
struct DirectoryLock: ~Copyable {
    let descriptor: CInt

    /// Not inherited by PostgreSQL (`O_CLOEXEC`), which may outlive the server.
    init(path: String, directory: String) throws(EmbeddedClusterError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Files.error(path, "cannot be opened") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            guard code == EWOULDBLOCK else { throw .file(path: path, reason: String(cString: strerror(code))) }
            throw .alreadyRunning(
                pid: Files.text(path).flatMap { Int($0.prefix(while: \.isNumber)) }, directory: directory)
        }
        self.descriptor = descriptor
        let text = Array("\(getpid())\n".utf8)
        if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
    }

    deinit {
        // A process that was just forked has the descriptor until it runs its program; unlocking any of them releases the lock (flock(2)).
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
