import FlowAccess
import FlowModel
import FlowStore
import WireMessages

enum DownloadState: StreamingFlowMethod {
    static let method = MethodDescriptor.downloadState
    static let scope = Scope.read

    static func run(
        _ requests: RequestStream<DownloadStateRequest>, _ context: CallContext, _ store: StateStore,
        _ responses: ResponseStream<DownloadStateResponse>
    ) async throws {
        var iterator = requests.makeAsyncIterator()
        guard let request = try await iterator.next() else { return }
        let download = try StateDownload(try command(request, context), on: store, for: responses.operationContext)
        try await download.run { outcome in
            try await responses.send(DownloadStateResponse(part: .snapshot(LoadState.snapshot(outcome))))
        } send: { bytes in
            try await responses.send(DownloadStateResponse(part: .chunk(bytes)))
        }
    }

    private static func command(_ request: DownloadStateRequest, _ context: CallContext) throws(StateError) -> DownloadCommand {
        guard let load = request.load else { throw .invalidArgument(field: "load", message: "must be given: it names the flow") }
        return DownloadCommand(
            load: try LoadState.command(load, context), offset: request.offset, chunkBytes: Int(request.chunkBytes))
    }
}
