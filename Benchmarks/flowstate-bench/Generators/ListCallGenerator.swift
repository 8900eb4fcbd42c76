import NIOCore
import WireMessages

/// How flows to list differ: of 1,000 flows, about one page of 50 has the same type and status, and one page has the same label.
struct Listing {
    static let kinds = (0..<5).flatMap { type in
        ["running", "waiting", "failed", "completed"].map { (type: "bench-list-\(type)", status: $0) }
    }

    let flow: Int

    var customer: String { "customer-\(flow / 50)" }

    /// As if drawn for each flow: connections make flows at their own pace, each every so many, so that a pattern of the numbers would
    /// let flows that are alike be made, and found, together.
    var kind: (type: String, status: String) {
        let mixed = (UInt64(flow) &+ 1) &* 0x9E37_79B9_7F4A_7C15
        return Self.kinds[Int((mixed ^ (mixed >> 32)) % UInt64(Self.kinds.count))]
    }

    /// Writes what the flow's first save sets beside its state.
    func describe(_ draft: inout Draft, _ scenario: Scenario) {
        guard case .list = scenario else { return draft.fields.writeField(2, text: "bench") }
        let request = SaveStateRequest(flowType: kind.type, status: kind.status, labels: ["customer": customer])
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
        let byStatus = Listing.kinds.map { type, status in
            ListFlowsRequest(filter: FlowFilter(flowType: type, status: status), pageSize: Self.pageSize)
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
