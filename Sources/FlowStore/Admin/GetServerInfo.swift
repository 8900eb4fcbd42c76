import FlowModel
import Postgres

/// What a server reports of itself, and the version of the database's schema.
package struct ServerInfo: Sendable {
    package var version: String
    package var uptime: Duration
    /// The number of the last migration that was applied.
    package var schemaVersion: Int64
    package var features: [String]
    package var limits: Limits
}

package struct GetServerInfoCommand: Sendable {
    let version: String
    let uptime: Duration
    let features: [String]
    let limits: Limits

    package init(version: String, uptime: Duration, features: [String], limits: Limits) {
        self.version = version
        self.uptime = uptime
        self.features = features
        self.limits = limits
    }
}

extension GetServerInfoCommand: StoreCommand {
    private static let schemaVersion = Statement(
        name: "schema_version", sql: "SELECT coalesce(max(number), 0)::bigint FROM flowstate.schema_migration", parameterTypes: [])

    package func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<ServerInfo, StateError>) -> Void
    ) throws(StateError) {
        var query = Query<ServerInfo>(statement: Self.schemaVersion, parameters: Parameters()) { rows throws(PostgresError) in
            .success(
                ServerInfo(
                    version: version, uptime: uptime, schemaVersion: try rows.int64(0, 0), features: features, limits: limits))
        }
        query.goesWithOthers()
        store.submit(query, context, completion)
    }
}
