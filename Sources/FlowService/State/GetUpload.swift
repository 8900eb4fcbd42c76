import FlowAccess
import FlowModel
import FlowStore
import WireMessages

enum GetUpload: UnaryFlowMethod {
    static let method = MethodDescriptor.getUpload
    static let scope = Scope.read

    static func command(_ request: GetUploadRequest, _ context: CallContext) throws(StateError) -> GetUploadCommand {
        GetUploadCommand(key: try context.key(request.flowID), uploadID: request.uploadID)
    }

    static func response(_ progress: UploadProgress, flowID: String) -> GetUploadResponse {
        GetUploadResponse(receivedBytes: progress.receivedBytes, savedVersion: progress.savedVersion ?? 0)
    }

    static func flowID(_ request: GetUploadRequest) -> String { request.flowID }
}
