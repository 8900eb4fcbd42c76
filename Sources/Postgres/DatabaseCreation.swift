import Logging

/// Makes a database in a cluster that may not have it yet.
package enum DatabaseCreation {
    /// - Parameters:
    ///   - name: An identifier that needs no quotes.
    ///   - conninfo: To another database of the cluster.
    package static func createIfMissing(_ name: String, conninfo: String, logger: Logger) async throws(PostgresError) {
        let options = try ConnectionOptions(conninfo: conninfo)
        try await Blocking.run(name: "pg-setup") { (interruption) throws(PostgresError) in
            let connection = try DirectConnection(options, interruption: interruption, logger: logger)
            if try connection.query("SELECT 1 FROM pg_database WHERE datname = $1", [name]).isEmpty {
                try connection.execute("CREATE DATABASE \(name)")
            }
        }
    }
}
