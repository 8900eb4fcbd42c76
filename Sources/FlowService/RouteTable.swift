import FlowAccess
import FlowStore
import GRPC
import WireMessages

/// Every method of `flowstate.v1`. Methods of the contract that are not built yet answer UNIMPLEMENTED.
package struct RouteTable: Sendable {
    package let routes: [Route]

    /// The methods that are built, a line each.
    private static let methods: [any FlowMethod.Type] = [
        CreateFlow.self, SaveState.self, LoadState.self, ListFlows.self, ListVersions.self, DiffVersions.self, DeleteFlow.self,
        CreateCheckpoint.self, ListCheckpoints.self, RestoreCheckpoint.self, DeleteCheckpoint.self,
        TransitionPhase.self, CompletePhase.self, ReportError.self, SetStatus.self, ValidateState.self, GetHistory.self, GetSummary.self,
        RecoverFlow.self, GetRecoveryStatus.self, ListQuarantine.self, GetQuarantined.self, RestoreQuarantined.self,
        ListNotifications.self, AcknowledgeNotification.self,
        PutDefinition.self, GetDefinition.self, ListDefinitions.self, MoveFlow.self,
        Cleanup.self, GetCleanupRun.self, GetStatistics.self, GetServerInfo.self,
    ]

    /// The full names of the methods that are built.
    static let served = methods.map { $0.method.fullName }

    /// - Parameter store: must be started by its owner.
    package init(
        store: StateStore, server: ServerDescription = ServerDescription(), authenticator: any Authenticator = MetadataAuthenticator()
    ) {
        let runner = MethodRunner(store: store, authenticator: authenticator, server: server)
        let built = Set(Self.methods.map { $0.method })
        let missing = FlowStateProto.services.flatMap(\.methods).filter { !built.contains($0) }
        routes = Self.methods.compactMap(runner.route(any:)) + missing.map(Self.unimplemented)
    }

    /// Bidirectional whatever the method's kind, so that the answer does not wait for the request.
    private static func unimplemented(_ method: MethodDescriptor) -> Route {
        Route(
            service: method.service, method: method.name,
            .streaming(.bidirectional) { _, _ in throw Status(.unimplemented, "this server does not have \(method.name) yet") })
    }
}
