import FlowAccess
import FlowStore
import GRPC
import WireMessages

/// Every method of `flowstate.v1`. Methods of the contract that are not built yet answer UNIMPLEMENTED.
package struct RouteTable: Sendable {
    package let routes: [Route]

    /// A method of the table. The compiler makes the code of its route for its own types: as an existential each call would look them up.
    struct Entry: Sendable {
        let method: MethodDescriptor
        let route: @Sendable (MethodRunner) -> Route

        init<Method: UnaryFlowMethod>(_ type: Method.Type) {
            method = Method.method
            route = { $0.route(type) }
        }

        init<Method: StreamingFlowMethod>(_ type: Method.Type) {
            method = Method.method
            route = { $0.route(type) }
        }
    }

    /// The methods that are built, a line each.
    private static let methods = [
        Entry(CreateFlow.self),
        Entry(SaveState.self),
        Entry(LoadState.self),
        Entry(UploadState.self),
        Entry(GetUpload.self),
        Entry(DownloadState.self),
        Entry(BatchSaveState.self),
        Entry(BatchLoadState.self),
        Entry(ListFlows.self),
        Entry(ListVersions.self),
        Entry(DiffVersions.self),
        Entry(ForkFlow.self),
        Entry(DeleteFlow.self),
        Entry(DeleteFlows.self),
        Entry(DeleteVersions.self),
        Entry(CreateCheckpoint.self),
        Entry(ListCheckpoints.self),
        Entry(RestoreCheckpoint.self),
        Entry(DeleteCheckpoint.self),
        Entry(AppendWrites.self),
        Entry(ListWrites.self),
        Entry(DeleteWrites.self),
        Entry(WatchFlows.self),
        Entry(TransitionPhase.self),
        Entry(CompletePhase.self),
        Entry(ReportError.self),
        Entry(SetStatus.self),
        Entry(ValidateState.self),
        Entry(GetHistory.self),
        Entry(GetSummary.self),
        Entry(RecoverFlow.self),
        Entry(GetRecoveryStatus.self),
        Entry(ListQuarantine.self),
        Entry(GetQuarantined.self),
        Entry(RestoreQuarantined.self),
        Entry(ListNotifications.self),
        Entry(AcknowledgeNotification.self),
        Entry(AcquireLease.self),
        Entry(RenewLease.self),
        Entry(ReleaseLease.self),
        Entry(GetLease.self),
        Entry(PutDefinition.self),
        Entry(GetDefinition.self),
        Entry(ListDefinitions.self),
        Entry(MoveFlow.self),
        Entry(Cleanup.self),
        Entry(GetCleanupRun.self),
        Entry(GetStatistics.self),
        Entry(GetServerInfo.self),
    ]

    /// The full names of the methods that are built.
    static let served = methods.map(\.method.fullName)

    /// - Parameter store: must be started by its owner.
    package init(
        store: StateStore, server: ServerDescription = ServerDescription(), authenticator: any Authenticator = MetadataAuthenticator()
    ) {
        let runner = MethodRunner(store: store, authenticator: authenticator, server: server)
        let built = Set(Self.methods.map(\.method))
        let missing = FlowStateProto.services.flatMap(\.methods).filter { !built.contains($0) }
        routes = Self.methods.map { $0.route(runner) } + missing.map(Self.unimplemented)
    }

    /// Bidirectional whatever the method's kind, so that the answer does not wait for the request.
    private static func unimplemented(_ method: MethodDescriptor) -> Route {
        Route(
            service: method.service, method: method.name,
            .streaming(.bidirectional) { _, _ in throw Status(.unimplemented, "this server does not have \(method.name) yet") })
    }
}
