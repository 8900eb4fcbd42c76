import FlowAccess
import FlowModel
import WireMessages

/// Lists the versions that recovery wrote; each says how it came about.
enum GetRecoveryStatus: UnaryFlowMethod {
    static let method = MethodDescriptor.getRecoveryStatus
    static let scope = Scope.read

    static func command(_ request: GetRecoveryStatusRequest, _ context: CallContext) throws(StateError) -> GetHistoryCommand {
        GetHistoryCommand(
            key: try context.key(request.flowID), kinds: [VersionKind.recovered.name], pageSize: Int(request.pageSize),
            pageToken: request.pageToken.given.map { PageToken(text: $0) })
    }

    static func response(_ page: Page<HistoryRecord>, flowID: String) -> GetRecoveryStatusResponse {
        let recoveries: [Recovery] = page.elements.compactMap { record in
            guard case .version(let version) = record else { return nil }
            return RecoveryText.record(version).message(flowID: flowID)
        }
        return GetRecoveryStatusResponse(recoveries: recoveries, nextPageToken: page.next?.text ?? "")
    }

    static func flowID(_ request: GetRecoveryStatusRequest) -> String { request.flowID }
}
