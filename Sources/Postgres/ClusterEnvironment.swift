import Glibc

/// The environment of a process whose PostgreSQL is its own.
enum ClusterEnvironment {
    /// Takes libpq's variables (manual, section 34.15) out of this process's environment: what a shell was set up with for another database
    /// must not bend connections to this one. Naming every option in the connection string would not do: a service (`PGSERVICE`) and the
    /// session defaults (`PGOPTIONS`, `PGTZ`, `PGDATESTYLE`, `PGGEQO`) are looked up whatever it says.
    ///
    /// Called before any connection is made. setenv(3) and its relatives are not safe beside a getenv(3) of another thread, which may then
    /// miss a variable; glibc frees none of the texts.
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
