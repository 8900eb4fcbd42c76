import FlowAccess
import FlowModel
import FlowStore
import WireMessages

enum BatchSaveState: UnaryFlowMethod {
    static let method = MethodDescriptor.batchSaveState
    static let scope = Scope.write

    static func command(_ request: BatchSaveStateRequest, _ context: CallContext) throws(StateError) -> BatchSaveCommand {
        var saves: [SaveCommand] = []
        for (place, save) in request.saves.enumerated() {
            do throws(StateError) {
                saves.append(try SaveState.command(save, context))
            } catch .invalidArgument(let field, let message) {
                throw .invalidArgument(field: "saves[\(place)].\(field)", message: message)
            }
        }
        return BatchSaveCommand(
            saves: saves, isAtomic: try isAtomic(request.mode), idempotencyKey: request.idempotencyKey.given)
    }

    private static func isAtomic(_ mode: BatchMode) throws(StateError) -> Bool {
        switch mode {
        case .unspecified, .atomic: return true
        case .independent: return false
        case .unrecognized(let value):
            throw .invalidArgument(field: "mode", message: "\(value) is not a BatchMode that this server knows")
        }
    }

    static func response(_ results: BatchSaveCommand.Outcome, flowID: String) -> BatchSaveStateResponse {
        BatchSaveStateResponse(
            results: results.map { result in
                switch result {
                case .success(let saved): BatchSaveResult(result: .saved(SaveState.response(saved, flowID: saved.flowID)))
                case .failure(let error): BatchSaveResult(result: .failure(ErrorTable.failure(error)))
                }
            })
    }

    static func flowID(_ request: BatchSaveStateRequest) -> String { "" }
}
