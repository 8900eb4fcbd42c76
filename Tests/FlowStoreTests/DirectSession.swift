@testable import Postgres

/// A session beside the store, for transactions that stay open. Of one test, on whose thread it blocks.
final class DirectSession {
    private let connection: DirectConnection

    init(_ conninfo: String) throws {
        connection = try DirectConnection(
            try ConnectionOptions(conninfo: conninfo), interruption: try Blocking.Interruption(), logger: StoreCluster.logger)
    }

    /// Runs statements separated by semicolons.
    func run(_ sql: String) throws { try connection.execute(sql) }
}
