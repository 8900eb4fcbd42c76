import FlowAccess
import FlowModel
import FlowStore
import WireMessages

enum UploadState: StreamingFlowMethod {
    static let method = MethodDescriptor.uploadState
    static let scope = Scope.write

    static func run(
        _ requests: RequestStream<UploadStateRequest>, _ context: CallContext, _ store: StateStore,
        _ responses: ResponseStream<UploadStateResponse>
    ) async throws {
        var iterator = requests.makeAsyncIterator()
        guard case .header(let header)? = try await iterator.next()?.part else {
            throw StateError.invalidArgument(field: "header", message: "must come first")
        }
        let upload = try await StateUpload(try command(header, context), on: store, for: responses.operationContext)
        let saved: SavedVersion
        do {
            saved = try await take(&iterator, upload)
        } catch {
            await upload.end(with: error)
            throw error
        }
        try await responses.send(UploadStateResponse(saved: SaveState.response(saved, flowID: saved.flowID)))
    }

    private static func take(
        _ requests: inout RequestStream<UploadStateRequest>.AsyncIterator, _ upload: StateUpload
    ) async throws -> SavedVersion {
        while let request = try await requests.next() {
            guard case .chunk(let bytes)? = request.part else {
                throw StateError.invalidArgument(field: "chunk", message: "must come behind the header, which comes once")
            }
            try await upload.take(bytes)
        }
        return try await upload.finish()
    }

    private static func command(_ header: UploadHeader, _ context: CallContext) throws(StateError) -> UploadCommand {
        guard let save = header.save else { throw .invalidArgument(field: "save", message: "must be given: it names the flow") }
        if save.change != nil {
            throw .invalidArgument(field: "save.change", message: "must not be set: the state comes in chunks")
        }
        return UploadCommand(
            save: try SaveState.withoutState(save, context), size: header.sizeBytes.given,
            digest: header.digest.isEmpty ? nil : header.digest, uploadID: header.uploadID.given, offset: header.offset)
    }
}
