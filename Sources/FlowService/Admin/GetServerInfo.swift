import FlowAccess
import FlowModel
import FlowStore
import Resources
import WireMessages

enum GetServerInfo: UnaryFlowMethod {
    static let method = MethodDescriptor.getServerInfo
    static let scope = Scope.admin

    static func command(_ request: GetServerInfoRequest, _ context: CallContext) throws(StateError) -> GetServerInfoCommand {
        let server = context.server
        return GetServerInfoCommand(
            version: server.version, uptime: Instant.now - server.startedAt, features: server.features, limits: server.limits)
    }

    static func response(_ info: ServerInfo, flowID: String) -> GetServerInfoResponse {
        GetServerInfoResponse(
            version: info.version, uptime: info.uptime, schemaVersion: info.schemaVersion, features: info.features,
            methods: RouteTable.served,
            limits: LimitTable.names.map { ServerLimit(name: $0, value: Int64(LimitTable.value($0, in: info.limits) ?? 0)) },
            versionCache: message(info.versionCache))
    }

    private static func message(_ cache: VersionCacheStatistics) -> VersionCacheInfo {
        VersionCacheInfo(
            flows: Int64(cache.flows), bytes: Int64(cache.bytes), capacityBytes: Int64(cache.capacity), loads: Int64(cache.loads),
            hits: Int64(cache.hits))
    }

    static func flowID(_ request: GetServerInfoRequest) -> String { "" }
}
