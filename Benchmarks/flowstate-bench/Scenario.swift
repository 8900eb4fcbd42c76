/// An operation that is measured; its name appears in the report.
enum Operation: Int, CaseIterable, Sendable {
    case save, load, conflict, create, checkpoint, list, loadVersion, loadLatest

    var name: String {
        switch self {
        case .loadVersion: "load_version"
        case .loadLatest: "load_latest"
        default: "\(self)"
        }
    }
}

/// What a run does, and what must exist first.
enum Scenario: Sendable {
    /// Loads and saves of flows picked at random; 0: saves only, 100: loads only.
    case random(loadPercent: Int)
    case hot, conflict, create, checkpoint, list
    /// Loads of old versions; each flow has so many versions before the run.
    case versions(depth: Int)
    case conversation(turns: Int, randomWords: Bool)

    var operations: [Operation] {
        switch self {
        case .random(loadPercent: 0), .hot: [.save]
        case .random(loadPercent: 100): [.load]
        case .random: [.load, .save]
        case .conflict: [.save, .conflict]
        case .create: [.create]
        case .checkpoint: [.checkpoint]
        case .list: [.list]
        case .versions: [.loadVersion]
        case .conversation: [.save, .loadVersion, .loadLatest]
        }
    }

    /// Operations that a run may not have at all: with one call in flight there are no conflicts.
    var optional: [Operation] {
        if case .conflict = self { [.conflict] } else { [] }
    }

    /// How many flows it uses without `--flows`.
    var usualFlows: Int {
        if case .conflict = self { 4 } else { 1_000 }
    }

    /// How many flows it uses when `asked` are asked for.
    func flows(_ asked: Int?) -> Int {
        switch self {
        case .hot, .conversation: 1
        case .create: 0
        default: asked ?? usualFlows
        }
    }
}
