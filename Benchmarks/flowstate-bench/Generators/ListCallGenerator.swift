import NIOCore
import WireMessages

/// How flows to list differ, by their number: of 1,000 flows, one page of 50 has the same type and status, and one page has the same label.
struct Listing {
    static let types = 5
    static let statuses = ["running", "waiting", "failed", "completed"]

    let flow: Int

    var type: String { "bench-list-\(flow % Self.types)" }
    var status: String { Self.statuses[flow / Self.types % Self.statuses.count] }
    var customer: String { "customer-\(flow / 50)" }

    /// Writes what the flow's first save sets beside its state.
    func describe(_ draft: inout Draft, _ scenario: Scenario) {
        guard case .list = scenario else { return draft.fields.writeField(2, text: "bench") }
        let request = SaveStateRequest(flowType: type, status: status, labels: ["customer": customer])
        draft.fields.writeBytes(request.encoded())
    }
}

/// Pages of 50 flows: the newest, of a type and status, with a label, and the next page of one of these.
final class ListCallGenerator: CallGenerator {
    private static let pageSize: Int32 = 50
    /// Tokens kept to continue from.
    private static let mostTokens = 16

    private let requests: [ByteBuffer]
    /// Of these pages: which request they answered, and the token of the next one.
    private var tokens: [(request: Int, token: String)] = []
    private let labelled: Int

    init(_ workload: Workload) {
        let newest = ListFlowsRequest(pageSize: Self.pageSize)
        let byStatus = (0..<Listing.types * Listing.statuses.count).map { index in
            let listing = Listing(flow: index)
            return ListFlowsRequest(
                filter: FlowFilter(flowType: listing.type, status: listing.status), pageSize: Self.pageSize)
        }
        let byLabel = stride(from: 0, to: workload.flows, by: 50).prefix(1_000).map { index in
            ListFlowsRequest(filter: FlowFilter(labels: ["customer": Listing(flow: index).customer]), pageSize: Self.pageSize)
        }
        labelled = 1 + byStatus.count
        requests = ([newest] + byStatus + byLabel).map { ByteBuffer(bytes: $0.encoded()) }
    }

    func next(_ draft: inout Draft, using generator: inout SeededGenerator) -> Call? {
        let request: Int
        var token: String?
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: request = 0
        case 1: request = Int.random(in: 1..<labelled, using: &generator)
        case 2: request = Int.random(in: labelled..<requests.count, using: &generator)
        default:
            let next = tokens.popLast()
            request = next?.request ?? 0
            token = next?.token
        }
        draft.begin(.listFlows, body: requests[request])
        if let token { draft.fields.writeField(4, text: token) }
        return Call(operation: .list, subject: request, wantsMessage: true)
    }

    func verdict(_ answer: Answer) -> Verdict {
        if case .refused(let refusal) = answer.result { return .failed(refusal) }
        if tokens.count < Self.mostTokens, let token = answer.message.slice(field: 2), token.readableBytes > 0 {
            tokens.append((answer.call.subject, String(buffer: token)))
        }
        return .done(.list)
    }
}
