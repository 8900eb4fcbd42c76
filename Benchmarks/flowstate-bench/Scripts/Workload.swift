import NIOCore

/// What the scripts of a run share: the flows, and states that were made once, since what is measured is the server.
final class Workload: Sendable {
    let scenario: Scenario
    let flows: Int
    let states: StatePool
    /// What flow ids begin with; runs that need other flows use other ones.
    let prefix: [UInt8]
    /// A name that no other run has.
    let run: String
    let conversation: ConversationText?

    init(_ scenario: Scenario, _ options: LoadOptions) {
        self.scenario = scenario
        flows = scenario.flows(options.flows)
        run = String(UInt64.random(in: .min ... .max), radix: 36)
        if case .conversation(let turns) = scenario {
            conversation = ConversationText(turns: turns, seed: options.seed)
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

    /// The flow that a conversation makes.
    var conversationFlow: String { "bench-conversation-\(run)" }

    /// The calls that make what has to be there first; nil when nothing has.
    func preparation(lane: Int, lanes: Int) -> PreparationScript? {
        switch scenario {
        case .random(loadPercent: 0), .hot, .conflict, .create, .conversation: nil
        case .random, .checkpoint, .list: PreparationScript(self, versions: 1, lane: lane, lanes: lanes)
        case .versions(let depth): PreparationScript(self, versions: depth, lane: lane, lanes: lanes)
        }
    }

    /// The calls of one connection of `lanes`; nil: it has none to make.
    func script(lane: Int, lanes: Int) -> (any Script)? {
        switch scenario {
        case .random(let loadPercent): RandomScript(self, loadPercent: loadPercent)
        case .hot: RandomScript(self, loadPercent: 0)
        case .conflict: ConflictScript(self)
        case .create: CreateScript(self)
        case .checkpoint: CheckpointScript(self, lane: lane)
        case .list: ListScript(self)
        case .versions(let depth): VersionsScript(self, depth: depth)
        case .conversation: lane == 0 ? conversation.map { ConversationScript($0, flow: conversationFlow) } : nil
        }
    }
}
