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
    package var versionCache: VersionCacheStatistics
}

/// What the cache of newest versions holds, and how often it was of use since the server started.
package struct VersionCacheStatistics: Sendable, Equatable {
    package var flows: Int
    package var bytes: Int
    package var capacity: Int
    /// Loads of a newest version; of these, those for which it had the version.
    package var loads: Int
    package var hits: Int
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

extension GetServerInfoCommand: TaskCommand {
    private static let schemaVersion = Statement(
        name: "schema_version", sql: "SELECT coalesce(max(number), 0)::bigint FROM flowstate.schema_migration", parameterTypes: [])

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> ServerInfo {
        var limits = limits
        limits.patchDepth = store.resources.patchDepth.current
        var query = Query<ServerInfo>(statement: Self.schemaVersion, parameters: Parameters()) { [limits] rows throws(PostgresError) in
            .success(
                ServerInfo(
                    version: version, uptime: uptime, schemaVersion: try rows.int64(0, 0), features: features, limits: limits,
                    versionCache: store.resources.cache.statistics))
        }
        query.goesWithOthers()
        return try await store.ask(query, for: context)
    }
}
