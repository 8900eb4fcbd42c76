import FlowModel

/// Saves of one flow that are written together: one update of its head, one row each. Pure.
///
/// The first save determines what the head must be (`start`), and so what the others find. Each either gets the next version or, when it
/// expects another one, a conflict, exactly as if they ran one after the other. Only PostgreSQL can tell whether the head is what the first
/// save needs; if not, nothing of the group is written, and each save runs by its own statement.
struct SaveGroup {
    enum Start: Equatable {
        /// The flow must not exist.
        case absent
        /// The flow must exist, at this version if one is given.
        case present(FlowVersion?)
    }

    enum Outcome: Equatable {
        /// The version so many after the one that the flow had before the group.
        case saved(offset: Int)
        /// Refused: the flow was so many versions further by then.
        case conflict(after: Int)
    }

    struct Member: Equatable {
        /// Its index in the batch.
        let index: Int
        let outcome: Outcome
    }

    /// The flow's index in `ChangePlan.flows`.
    let flow: Int
    private(set) var start = Start.present(nil)
    private(set) var members: [Member] = []
    /// The number of members that are saved.
    private(set) var count = 0
    /// The new values of the head; nil keeps the old one.
    private(set) var flowType: String?
    private(set) var phase: String?
    private(set) var status: String?
    private(set) var progress: Double?
    private(set) var labels: Labels?
    private(set) var labelChanges: LabelChanges?
    /// How many labels a flow may have.
    let labelLimit: Int
    /// For a flow that the group creates.
    private(set) var definitionRevision: Int64?
    private(set) var idempotencyKey: String?

    /// - Parameter saves: of one flow, in their order, with their indexes in the batch.
    /// - Returns: nil when they cannot be written together.
    init?(_ saves: [(index: Int, save: SaveChange)], flow: Int, labelLimit: Int) {
        self.flow = flow
        self.labelLimit = labelLimit
        for (index, save) in saves {
            guard save.canShareStatement, add(index, save.command) else { return nil }
        }
        // The key's record decides over the whole group, so its save must be the only one.
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
            // A client may expect any number: the count is subtracted from it, never added to it.
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
        members.append(Member(index: index, outcome: .conflict(after: count)))
        return true
    }

    private mutating func append(_ index: Int, _ command: SaveCommand) -> Bool {
        // A flow that the group creates gets the type of its first save; an existing flow must have the type that any save names.
        if let type = command.flowType {
            if let known = flowType ?? (start == .absent && count > 0 ? "" : nil) {
                guard known.utf8.elementsEqual(type.utf8) else { return false }
            }
            flowType = type
        }
        // A row takes what its save leaves open from the head after the update, so no later save of the group may change that.
        guard Self.extends(&phase, command.phase, isFirst: count == 0), Self.extends(&status, command.status, isFirst: count == 0),
            Self.extends(&progress, command.progress, isFirst: count == 0)
        else { return false }
        guard takeLabels(of: command) else { return false }
        if count == 0 { definitionRevision = command.definitionRevision }
        count += 1
        members.append(Member(index: index, outcome: .saved(offset: count)))
        return true
    }

    /// The statement counts the labels of the final head: no head before it may have more.
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

    /// The head and the rows of the group.
    ///
    /// - Parameters:
    ///   - first: the place of the first row, from 1.
    ///   - stored: the states by index in the batch.
    func parameters(
        _ key: FlowKey, _ changes: [Change], stored: [StoredState?], first: Int
    ) -> (head: SaveHead, rows: [SaveRow]) {
        var rows: [SaveRow] = []
        var (phase, status, progress): (String?, String?, Double?) = (nil, nil, nil)
        for member in members {
            guard case .saved = member.outcome, case .save(let save) = changes[member.index].work, let stored = stored[member.index]
            else { continue }
            phase = save.command.phase ?? phase
            status = save.command.status ?? status
            progress = save.command.progress ?? progress
            rows.append(SaveRow(save, stored, phase: phase, status: status, progress: progress))
        }
        return (SaveHead(self, key, first: first, base: rows.compactMap(\.stored.base).min()), rows)
    }

    private static func extends<Value>(_ carried: inout Value?, _ value: Value?, isFirst: Bool) -> Bool {
        guard let value else { return true }
        if carried == nil, !isFirst { return false }
        carried = value
        return true
    }
}
