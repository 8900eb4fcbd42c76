import FlowAccess
import FlowModel
import WireMessages

enum DiffVersions: UnaryFlowMethod {
    static let method = MethodDescriptor.diffVersions
    static let scope = Scope.read

    static func command(_ request: DiffVersionsRequest, _ context: CallContext) throws(StateError) -> DiffVersionsCommand {
        DiffVersionsCommand(
            key: try context.key(request.flowID), from: request.fromVersion, to: request.toVersion == 0 ? nil : request.toVersion)
    }

    static func response(_ diff: VersionDiff, flowID: String) -> DiffVersionsResponse {
        DiffVersionsResponse(fromVersion: diff.from, toVersion: diff.to, jsonPatch: diff.patch)
    }

    static func size(of diff: VersionDiff) -> Int { diff.patch.count }

    static func flowID(_ request: DiffVersionsRequest) -> String { request.flowID }
}
