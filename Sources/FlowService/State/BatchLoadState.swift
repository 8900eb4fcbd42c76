import FlowAccess
import FlowModel
import FlowStore
import WireMessages

enum BatchLoadState: UnaryFlowMethod {
    static let method = MethodDescriptor.batchLoadState
    static let scope = Scope.read

    static func command(_ request: BatchLoadStateRequest, _ context: CallContext) throws(StateError) -> BatchLoadCommand {
        var loads: [LoadCommand] = []
        for load in request.loads { loads.append(try LoadState.command(load, context)) }
        return BatchLoadCommand(loads: loads)
    }

    static func response(_ results: BatchLoadCommand.Outcome, flowID: String) -> BatchLoadStateResponse {
        BatchLoadStateResponse(
            results: results.map { result in
                switch result {
                case .success(let outcome): BatchLoadResult(result: .loaded(LoadState.response(outcome, flowID: "")))
                case .failure(let error): BatchLoadResult(result: .failure(ErrorTable.failure(error)))
                }
            })
    }

    static func size(of results: BatchLoadCommand.Outcome) -> Int {
        results.reduce(0) { $0 + ((try? $1.get()).map(LoadState.size) ?? 0) }
    }

    static func flowID(_ request: BatchLoadStateRequest) -> String { "" }
}
