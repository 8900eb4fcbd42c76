import ArgumentParser
import FlowStateClient

/// `flowstate flow create`
struct FlowCreateCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Create a flow with its first version.",
        discussion: """
            Fails with exit code 2 when the flow exists. Without a state the flow begins with {} (with no bytes under a \
            --content-type that is not JSON).

              flowstate flow create order-17 --type order --file state.json --label customer=acme
              flowstate flow create --type chat --state-text '{"messages": []}'
            """)

    @Argument(help: "The flow's id. (default: the server makes one)")
    var id = ""

    @OptionGroup(title: "State") var input: StateInput
    @OptionGroup(title: "Flow") var change: ChangeOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        let response = try await client.createFlow(
            CreateFlowRequest(
                flowID: id, flowType: change.flowType, state: try input.read() ?? initialState,
                contentType: input.contentType ?? "", phase: change.phase, status: change.status,
                labels: LabelArgument.map(change.labels), metadata: Array(change.metadata.utf8),
                idempotencyKey: change.idempotencyKey, ttl: change.ttl?.duration))
        try console.show(Record(response))
    }

    private var initialState: [UInt8] { MediaType.isJSON(input.contentType ?? "") ? Array("{}".utf8) : [] }
}
