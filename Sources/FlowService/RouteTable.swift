import FlowStore
import GRPC
import NIOCore
import WireMessages

/// Every method of `flowstate.v1`, by name. A test compares it with the service descriptors.
public struct RouteTable: Sendable {
    public let routes: [Route]

    /// - Parameter store: must be started by whoever owns it.
    public init(store: StateStore) {
        let runner = MethodRunner(store: store)
        let state = "flowstate.v1.FlowStateService"
        let lifecycle = "flowstate.v1.FlowLifecycleService"
        let recovery = "flowstate.v1.FlowRecoveryService"
        let definitions = "flowstate.v1.FlowDefinitionService"
        let admin = "flowstate.v1.FlowAdminService"
        let built = [
            runner.route(state, CreateFlow.self),
            runner.route(state, SaveState.self),
            runner.route(state, LoadState.self),
            runner.route(state, ListFlows.self),
            runner.route(state, ListVersions.self),
            runner.route(state, DiffVersions.self),
            runner.route(state, DeleteFlow.self),
            runner.route(state, CreateCheckpoint.self),
            runner.route(state, ListCheckpoints.self),
            runner.route(state, RestoreCheckpoint.self),
            runner.route(state, DeleteCheckpoint.self),
            runner.route(lifecycle, TransitionPhase.self),
            runner.route(lifecycle, CompletePhase.self),
            runner.route(lifecycle, ReportError.self),
            runner.route(lifecycle, SetStatus.self),
            runner.route(lifecycle, ValidateState.self),
            runner.route(lifecycle, GetHistory.self),
            runner.route(lifecycle, GetSummary.self),
            runner.route(recovery, RecoverFlow.self),
            runner.route(recovery, GetRecoveryStatus.self),
            runner.route(recovery, ListQuarantine.self),
            runner.route(recovery, GetQuarantined.self),
            runner.route(recovery, RestoreQuarantined.self),
            runner.route(recovery, ListNotifications.self),
            runner.route(recovery, AcknowledgeNotification.self),
            runner.route(definitions, PutDefinition.self),
            runner.route(definitions, GetDefinition.self),
            runner.route(definitions, ListDefinitions.self),
            runner.route(definitions, MoveFlow.self),
            runner.route(admin, Cleanup.self),
            runner.route(admin, GetCleanupRun.self),
            runner.route(admin, GetStatistics.self),
        ]
        routes = built + Self.planned.map(Self.unimplemented)
    }

    /// In the contract, and not built yet: they answer UNIMPLEMENTED.
    static let planned = [
        "flowstate.v1.FlowStateService": [
            "BatchSaveState", "BatchLoadState", "UploadState", "DownloadState", "ForkFlow",
            "AppendWrites", "ListWrites", "WatchFlows",
        ],
        "flowstate.v1.FlowLeaseService": ["AcquireLease", "RenewLease", "ReleaseLease", "GetLease"],
        "flowstate.v1.FlowAdminService": [
            "CreateTenant", "ListTenants", "UpdateTenant", "CreateApiKey",
            "ListApiKeys", "RevokeApiKey",
        ],
    ].flatMap { service, methods in methods.map { (service, $0) } }

    private static func unimplemented(_ service: String, _ method: String) -> Route {
        // Whatever its kind: the answer does not wait for the request.
        Route(
            service: service, method: method,
            .streaming(.bidirectional) { _, _ in
                throw Status(.unimplemented, "this server does not have \(method) yet")
            })
    }
}
