import FlowAccess
import FlowModel
import WireMessages

enum GetHistory: UnaryFlowMethod {
    static let method = MethodDescriptor.getHistory
    static let scope = Scope.read

    static func command(_ request: GetHistoryRequest, _ context: CallContext) throws(StateError) -> GetHistoryCommand {
        GetHistoryCommand(
            key: try context.key(request.flowID), kinds: request.kinds, pageSize: Int(request.pageSize),
            pageToken: request.pageToken.given.map { PageToken(text: $0) })
    }

    static func response(_ page: Page<HistoryRecord>, flowID: String) -> GetHistoryResponse {
        GetHistoryResponse(entries: page.elements.map(entry), nextPageToken: page.next?.text ?? "")
    }

    private static func entry(_ record: HistoryRecord) -> HistoryEntry {
        switch record {
        case .version(let version):
            HistoryEntry(time: version.createdAt.message, actor: version.actor, entry: .version(version.message))
        case .event(let event):
            HistoryEntry(
                time: event.createdAt.message, actor: event.actor, entry: .event(FlowEvent(kind: event.kind, details: event.detail)))
        }
    }

    static func flowID(_ request: GetHistoryRequest) -> String { request.flowID }
}
