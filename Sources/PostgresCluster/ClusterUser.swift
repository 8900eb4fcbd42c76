import Glibc
import Subprocess
import SystemPackage

/// The user that runs PostgreSQL: it refuses to run as root, so root runs it as another user.
struct ClusterUser: Sendable, Equatable {
    let name: String
    let user: uid_t
    let group: gid_t

    /// The current user, or for root the owner of the data, else `postgres`, else `nobody`.
    static func select(dataDirectory: String) throws(EmbeddedClusterError) -> ClusterUser {
        let owner = Files.info(dataDirectory)?.user
        let current = geteuid()
        if current != 0 {
            if let owner, owner != current {
                throw .user("\(dataDirectory) belongs to user \(owner); start the server as that user, or as root")
            }
            return find(current) ?? ClusterUser(name: "\(current)", user: current, group: getegid())
        }
        if let owner, owner != 0 { return find(owner) ?? ClusterUser(name: "\(owner)", user: owner, group: gid_t(owner)) }
        for name in ["postgres", "nobody"] {
            if let user = find(name) { return user }
        }
        throw .user("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody to run it as")
    }

    /// Whether the server must switch to this user to run a program.
    var isOther: Bool { user != geteuid() }

    /// How to run a program as this user.
    ///
    /// As another user through setpriv(1), which replaces itself with the program: Subprocess's own `userID` calls setgroups(3) between
    /// fork and exec, and glibc's then waits for threads that do not exist in the child (nptl/nptl_setxid.c); it hung in a process that
    /// starts and ends threads.
    func command(_ program: String, _ arguments: [String]) -> (program: Executable, arguments: Arguments) {
        guard isOther else { return (.path(FilePath(program)), Arguments(arguments)) }
        let identity = ["--reuid", "\(user)", "--regid", "\(group)", "--clear-groups", "--"]
        return (.path("/usr/bin/setpriv"), Arguments(identity + [program] + arguments))
    }

    /// A process group of its own: Ctrl-C reaches only the server, which stops PostgreSQL when it has finished its own work.
    static var platformOptions: PlatformOptions {
        var options = PlatformOptions()
        options.processGroupID = 0
        return options
    }

    /// Creates a directory that only this user (and root) can enter.
    func makeDirectory(_ path: String) throws(EmbeddedClusterError) {
        let isNew = try Files.makeDirectory(path, mode: 0o700)
        if isNew, isOther { try Files.changeOwner(path, user: user, group: group) }
    }

    /// Throws when this user cannot enter `path` or one of the directories above it.
    func checkReach(_ path: String) throws(EmbeddedClusterError) {
        guard isOther else { return }
        var current = ""
        for component in path.split(separator: "/") {
            current += "/\(component)"
            guard let info = Files.info(current), !mayEnter(info) else { continue }
            throw .user(
                "PostgreSQL runs as user \(name) here (it refuses root), who cannot enter \(current). "
                    + "Choose a data directory elsewhere, such as /var/lib/flowstate, or allow it with: chmod o+x \(current)")
        }
    }

    private func mayEnter(_ info: Files.Info) -> Bool {
        if info.user == user { return info.mode & S_IXUSR != 0 }
        if info.group == group { return info.mode & S_IXGRP != 0 }
        return info.mode & S_IXOTH != 0
    }

    private static func find(_ name: String) -> ClusterUser? { getpwnam(name).map { ClusterUser($0.pointee) } }
    private static func find(_ user: uid_t) -> ClusterUser? { getpwuid(user).map { ClusterUser($0.pointee) } }

    init(name: String, user: uid_t, group: gid_t) {
        self.name = name
        self.user = user
        self.group = group
    }

    private init(_ entry: passwd) {
        self.init(name: entry.pw_name.map { String(cString: $0) } ?? "", user: entry.pw_uid, group: entry.pw_gid)
    }
}
