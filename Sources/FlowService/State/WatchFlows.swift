import FlowAccess
import FlowModel
import FlowStore
import WireMessages

enum WatchFlows: StreamingFlowMethod {
    static let method = MethodDescriptor.watchFlows
    static let scope = Scope.read

    static func run(
        _ requests: RequestStream<WatchFlowsRequest>, _ context: CallContext, _ store: StateStore,
        _ responses: ResponseStream<WatchFlowsResponse>
    ) async throws {
        guard let watch = try await watch(requests, context, store, responses) else { return }
        try await watch.run { event in try await send(event, responses) }
    }

    // Not inlined: see `FlowWatch`.

    @inline(never)
    private static func watch(
        _ requests: RequestStream<WatchFlowsRequest>, _ context: CallContext, _ store: StateStore,
        _ responses: ResponseStream<WatchFlowsResponse>
    ) async throws -> FlowWatch? {
        var iterator = requests.makeAsyncIterator()
        guard let request = try await iterator.next() else { return nil }
        return try FlowWatch(try command(request, context), on: store, for: responses.operationContext)
    }

    @inline(never)
    private static func send(_ event: WatchEvent, _ responses: ResponseStream<WatchFlowsResponse>) async throws {
        try await responses.send(response(event))
    }

    private static func command(_ request: WatchFlowsRequest, _ context: CallContext) throws(StateError) -> WatchFlowsCommand {
        WatchFlowsCommand(
            tenant: context.identity.tenant, flowIDs: request.flowIDs,
            filter: try ListFlows.filter(request.filter ?? WireMessages.FlowFilter()), start: try start(request.start),
            includesStates: request.includeState,
            bookmarkMilliseconds: try Int64(milliseconds: request.bookmarkInterval, field: "bookmark_interval"))
    }

    private static func start(_ given: WatchFlowsRequest.Start?) throws(StateError) -> WatchFlowsCommand.Start {
        switch given {
        case nil: return .now
        case .cursor(let bytes): return .cursor(try WatchCursor(bytes))
        case .afterVersion(let version):
            try WireNumber.check(version, field: "after_version")
            return .version(version)
        }
    }

    private static func response(_ event: WatchEvent) -> WatchFlowsResponse {
        switch event.kind {
        case .bookmark(let time): WatchFlowsResponse(event: .bookmark(time.message), cursor: event.cursor.bytes)
        case .change(let change, let state):
            WatchFlowsResponse(
                event: .change(WireMessages.Snapshot(flow: change.head.message, version: change.version.message, state: state)),
                cursor: event.cursor.bytes)
        }
    }
}
