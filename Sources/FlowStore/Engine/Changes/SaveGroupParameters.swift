import FlowModel
import Postgres

/// The arrays of `SaveGroupSQL`, in its order.
struct SaveGroupParameters {
    /// A save of a group, and the values of its row that are not its own.
    struct Row {
        let save: SaveChange
        let stored: StoredState
        /// Carried over from save to save; nil: the head's value.
        let phase: String?
        let status: String?
        let progress: Double?
    }

    private let groups: [(group: SaveGroup, key: FlowKey)]
    private let rows: [Row]
    private let firstRows: [Int]
    private let bases: [FlowVersion?]

    /// - Parameter stored: the states by index in the batch.
    init(_ groups: [SaveGroup], _ changes: [Change], _ flows: [ChangePlan.Flow], stored: [StoredState?]) {
        self.groups = groups.map { ($0, flows[$0.flow].key) }
        var rows: [Row] = []
        var firstRows: [Int] = []
        var bases: [FlowVersion?] = []
        for group in groups {
            firstRows.append(rows.count + 1)
            var (phase, status, progress): (String?, String?, Double?) = (nil, nil, nil)
            var base: FlowVersion?
            for member in group.members {
                guard case .saved = member.outcome, case .save(let save) = changes[member.index].work, let stored = stored[member.index]
                else { continue }
                phase = save.command.phase ?? phase
                status = save.command.status ?? status
                progress = save.command.progress ?? progress
                if let own = stored.base { base = min(base ?? own, own) }
                rows.append(Row(save: save, stored: stored, phase: phase, status: status, progress: progress))
            }
            bases.append(base)
        }
        self.rows = rows
        self.firstRows = firstRows
        self.bases = bases
    }

    func encoded(idempotent: Bool) -> Parameters {
        let bytes = rows.reduce(0) { $0 + $1.stored.bytes.count + $1.save.command.metadata.count }
        var parameters = Parameters(reservingBytes: bytes + 512 * (rows.count + groups.count))
        parameters.append(Int32(groups.count))
        parameters.append(groups.first { $0.group.labelChanges != nil }.map { Int32(clamping: $0.group.labelLimit) })
        parameters.append(texts: groups.count) { groups[$0].key.tenant }
        parameters.append(texts: groups.count) { groups[$0].key.flowID }
        parameters.append(integers: groups.count) { Int32(clamping: groups[$0].group.count) }
        parameters.append(integers: firstRows.count) { Int32(clamping: firstRows[$0]) }
        parameters.append(bigints: groups.count) { if case .present(let version?) = groups[$0].group.start { version } else { nil } }
        parameters.append(texts: groups.count) { groups[$0].group.flowType }
        parameters.append(texts: groups.count) { groups[$0].group.phase }
        parameters.append(texts: groups.count) { groups[$0].group.status }
        parameters.append(doubles: groups.count) { groups[$0].group.progress }
        parameters.append(texts: groups.count) { groups[$0].group.labels.map(LabelsJSON.encode) }
        parameters.append(texts: groups.count) { groups[$0].group.labelChanges.map(LabelsJSON.encode) }
        parameters.append(bigints: bases.count) { bases[$0] }
        parameters.append(bigints: groups.count) { groups[$0].group.definitionRevision }

        parameters.append(smallints: rows.count) { rows[$0].save.command.kind.rawValue }
        parameters.append(texts: rows.count) { rows[$0].save.command.actor }
        parameters.append(texts: rows.count) { rows[$0].save.command.contentType.text }
        parameters.append(byteStrings: rows.count) { rows[$0].stored.bytes }
        parameters.append(bigints: rows.count) { Int64(rows[$0].save.command.state.count) }
        parameters.append(byteStrings: rows.count) { rows[$0].save.digest }
        parameters.append(smallints: rows.count) { rows[$0].stored.codec.rawValue }
        parameters.append(bigints: rows.count) { rows[$0].stored.base }
        parameters.append(texts: rows.count) { rows[$0].save.command.versionLabel }
        parameters.append(byteStrings: rows.count) { rows[$0].save.command.metadata.isEmpty ? nil : rows[$0].save.command.metadata }
        parameters.append(texts: rows.count) { rows[$0].phase }
        parameters.append(texts: rows.count) { rows[$0].status }
        parameters.append(doubles: rows.count) { rows[$0].progress }
        if idempotent {
            parameters.append(texts: rows.count) { rows[$0].save.command.idempotencyKey }
            parameters.append(byteStrings: rows.count) { rows[$0].save.requestDigest }
        }
        return parameters
    }
}
