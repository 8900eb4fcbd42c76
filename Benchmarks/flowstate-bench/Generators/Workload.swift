import NIOCore

/// Shared by the call generators of a run: the flows, and states that were made once, since it is the server that is measured.
final class Workload: Sendable {
    let scenario: Scenario
    let flows: Int
    let picker: FlowPicker
    let states: StatePool
    /// The beginning of flow ids; runs that need other flows use another one.
    let prefix: [UInt8]
    /// A name that is unique to this run.
    let run: String
    let conversation: ConversationText?

    init(_ scenario: Scenario, _ options: LoadOptions) {
        self.scenario = scenario
        flows = scenario.flows(options.flows)
        picker = FlowPicker(flows, options.distribution)
        run = String(UInt64.random(in: .min ... .max), radix: 36)
        if case .conversation(let turns, let randomWords) = scenario {
            conversation = ConversationText(turns: turns, randomWords: randomWords, seed: options.seed)
            states = StatePool(size: StateText.smallest, change: 0, seed: options.seed)
        } else {
            conversation = nil
            states = StatePool(size: options.stateSize, change: options.change, seed: options.seed)
        }
        let kind =
            switch scenario {
            case .random, .checkpoint, .create: ""
            case .versions: "versions-"
            default: "\(scenario)-"
            }
        prefix = Array("bench-\(kind)\(options.stateSize)-".utf8)
    }

    /// The flow of the conversation.
    var conversationFlow: String { "bench-conversation-\(run)" }

    /// The generator of the calls that create what must exist first; nil when nothing must.
    func preparation(connection: Int, connections: Int) -> PreparationCallGenerator? {
        switch scenario {
        case .random(loadPercent: 0), .hot, .conflict, .create, .conversation: nil
        case .random, .checkpoint, .list: PreparationCallGenerator(self, versions: 1, connection: connection, connections: connections)
        case .versions(let depth): PreparationCallGenerator(self, versions: depth, connection: connection, connections: connections)
        }
    }

    /// The call generator of one of the connections; nil when it has no calls to make.
    func generator(connection: Int, connections: Int) -> (any CallGenerator)? {
        switch scenario {
        case .random(let loadPercent): RandomCallGenerator(self, loadPercent: loadPercent)
        case .hot: RandomCallGenerator(self, loadPercent: 0)
        case .conflict: ConflictCallGenerator(self)
        case .create: CreateCallGenerator(self)
        case .checkpoint: CheckpointCallGenerator(self, connection: connection)
        case .list: ListCallGenerator(self)
        case .versions(let depth): VersionsCallGenerator(self, depth: depth)
        case .conversation: connection == 0 ? conversation.map { ConversationCallGenerator($0, flow: conversationFlow) } : nil
        }
    }
}
