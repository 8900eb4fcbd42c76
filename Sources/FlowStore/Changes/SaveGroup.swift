import FlowModel

/// Saves of one flow that are written together: one update of its head, one row each. Pure.
///
/// The first save says what the head must be (`start`); what the others find is then known. Each either gets the next version or, when
/// it expects another one, a conflict, exactly as if they had come one after the other. Whether the head is what the first save needs
/// only PostgreSQL can tell; if not, nothing of the group is written, and each save runs by itself.
struct SaveGroup {
    enum Start: Equatable {
        /// There must be no such flow.
        case absent
        /// The flow must be there, at this version if one is given.
        case present(FlowVersion?)
    }

    enum Fate: Equatable {
        /// The version so many after the one that the group began with.
        case saved(offset: Int)
        /// Refused: by then the flow was so many versions on.
        case conflict(after: Int)
    }

    struct Member: Equatable {
        /// Its place in the batch.
        let index: Int
        let fate: Fate
    }

    /// The flow's place in `ChangePlan.flows`.
    let flow: Int
    private(set) var start = Start.present(nil)
    private(set) var members: [Member] = []
    /// How many are saved.
    private(set) var count = 0
    /// What the head becomes; nil keeps what it has.
    private(set) var flowType: String?
    private(set) var phase: String?
    private(set) var status: String?
    private(set) var progress: Double?
    private(set) var labels: Labels?
    private(set) var labelChanges: LabelChanges?
    /// How many labels a flow may have.
    let labelLimit: Int
    /// Of a flow that the group makes.
    private(set) var definitionRevision: Int64?
    private(set) var idempotencyKey: String?

    /// - Parameter saves: of one flow, in their order, with their places in the batch.
    /// - Returns: nil when they cannot be written together.
    init?(_ saves: [(index: Int, save: SaveChange)], flow: Int, labelLimit: Int) {
        self.flow = flow
        self.labelLimit = labelLimit
        for (index, save) in saves {
            guard save.canShareStatement, add(index, save.command) else { return nil }
        }
        // The key's record decides over the whole group, so it must be the only save.
        if idempotencyKey != nil, saves.count > 1 { return nil }
    }

    private mutating func add(_ index: Int, _ command: SaveCommand) -> Bool {
        if let key = command.idempotencyKey { idempotencyKey = key }
        switch command.precondition {
        case .none, .anyVersion: break
        case .expected(0):
            guard count == 0 else { return conflict(index) }
            start = .absent
        case .expected(let version) where version < 0: return conflict(index)
        case .expected(let version):
            // What a client says may be any number: a count is taken away from it, never added.
            switch start {
            case .absent where version != Int64(count): return conflict(index)
            case .absent: break
            case .present(let begin?) where version - Int64(count) != begin: return conflict(index)
            case .present(nil):
                let begin = version - Int64(count)
                guard begin >= 1 else { return false }
                start = .present(begin)
            case .present: break
            }
        }
        return append(index, command)
    }

    private mutating func conflict(_ index: Int) -> Bool {
        members.append(Member(index: index, fate: .conflict(after: count)))
        return true
    }

    private mutating func append(_ index: Int, _ command: SaveCommand) -> Bool {
        // A flow that the group creates has the type of its first save; one that is there is asked for the type that any save names.
        if let type = command.flowType {
            if let known = flowType ?? (start == .absent && count > 0 ? "" : nil) {
                guard known.utf8.elementsEqual(type.utf8) else { return false }
            }
            flowType = type
        }
        // What a row leaves open comes from the head as it is after the update, so nobody behind it may change that.
        guard Self.extends(&phase, command.phase, isFirst: count == 0), Self.extends(&status, command.status, isFirst: count == 0),
            Self.extends(&progress, command.progress, isFirst: count == 0)
        else { return false }
        guard takeLabels(of: command) else { return false }
        if count == 0 { definitionRevision = command.definitionRevision }
        count += 1
        members.append(Member(index: index, fate: .saved(offset: count)))
        return true
    }

    /// The statement counts the labels that the head has in the end: before that there must not be more of them.
    private mutating func takeLabels(of command: SaveCommand) -> Bool {
        if let labels = command.labels {
            if labelChanges != nil { return false }
            self.labels = labels
        }
        guard let changes = command.labelChanges else { return true }
        if let labels {
            let merged = labels.applying(changes)
            self.labels = merged
            return merged.entries.count <= labelLimit
        }
        if let labelChanges, !labelChanges.areCovered(by: changes) { return false }
        labelChanges = changes
        return true
    }

    private static func extends<Value>(_ carried: inout Value?, _ value: Value?, isFirst: Bool) -> Bool {
        guard let value else { return true }
        if carried == nil, !isFirst { return false }
        carried = value
        return true
    }
}
