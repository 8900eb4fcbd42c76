import Glibc

/// The environment of a process that runs its own PostgreSQL.
enum ClusterEnvironment {
    /// Removes libpq's variables (manual, section 34.15) from this process's environment, so that a shell set up for another database does
    /// not affect connections to this one. Naming every option in the connection string would not be enough: a service (`PGSERVICE`) and
    /// the session defaults (`PGOPTIONS`, `PGTZ`, `PGDATESTYLE`, `PGGEQO`) are read in any case.
    ///
    /// Called before any connection is made. setenv(3) and its relatives are not safe while another thread calls getenv(3), which may then
    /// miss a variable; glibc frees none of the strings.
    static func removeLibpqVariables() {
        for name in libpqVariables(in: names()) { unsetenv(name) }
    }

    static func libpqVariables(in names: [String]) -> [String] { names.filter { $0.hasPrefix("PG") } }

    private static func names() -> [String] {
        var names: [String] = []
        var place = environ
        while let entry = place.pointee {
            names.append(String(String(cString: entry).prefix { $0 != "=" }))
            place += 1
        }
        return names
    }
}
