import WireMessages

/// An operation that is measured.
enum Operation: String, CaseIterable, Sendable {
    case load, save
}

/// The flows of a run, and the requests on them. States are made once: what is measured is the server.
struct Workload: Sendable {
    /// Different states to pick from; fewer when they are large, to spare memory.
    private static let mostStates = 256
    private static let stateMemory = 64 << 20

    let flows: Int
    let loadPercent: Int
    private let prefix: String
    private let states: [[UInt8]]

    init(flows: Int, stateSize: Int, loadPercent: Int, seed: UInt64) {
        self.flows = flows
        self.loadPercent = loadPercent
        // Runs with other sizes use other flows.
        prefix = "bench-\(stateSize)-"
        var generator = SeededGenerator(seed: seed)
        let count = min(Self.mostStates, max(Self.stateMemory / stateSize, 1))
        states = (0..<count).map { _ in StateText.make(size: stateSize, using: &generator) }
    }

    func flowID(_ flow: Int) -> String { prefix + String(flow) }

    func pickOperation(using generator: inout SeededGenerator) -> Operation {
        switch loadPercent {
        case 0: .save
        case 100: .load
        default: Int.random(in: 0..<100, using: &generator) < loadPercent ? .load : .save
        }
    }

    func load(using generator: inout SeededGenerator) -> LoadStateRequest {
        LoadStateRequest(flowID: flowID(Int.random(in: 0..<flows, using: &generator)))
    }

    func save(using generator: inout SeededGenerator) -> SaveStateRequest {
        let flow = Int.random(in: 0..<flows, using: &generator)
        return SaveStateRequest(
            flowID: flowID(flow), change: .state(states[Int.random(in: 0..<states.count, using: &generator)]))
    }

    /// Makes the flow when there is none; answers a version conflict otherwise.
    func create(_ flow: Int) -> SaveStateRequest {
        SaveStateRequest(
            flowID: flowID(flow), flowType: "bench", change: .state(states[flow % states.count]),
            precondition: .expectedVersion(0))
    }
}
