import Compression
import FlowModel
import Postgres

/// A checked save, and what is computed from it once.
final class SaveChange: Sendable {
    let command: SaveCommand
    /// The digest of the state.
    let digest: [UInt8]
    /// The digest of the request, for its idempotency record; empty without a key.
    let requestDigest: [UInt8]
    /// A small state is packed on the caller's thread, while the connections' threads wait for PostgreSQL; nil: it is packed in its batch.
    private let packed: StoredState?
    /// `StoreResources.history` when it was packed.
    private let history: Int

    /// The largest state that an event loop packs: it takes as long as checking that it is JSON, some 20 µs.
    private static let packedAtOnce = 8 << 10
    /// A larger state is packed before it is queued, on a thread for which neither calls nor other saves wait.
    static let packedApart = 32 << 10

    /// - Parameter chain: the bases of the flow, when they are not in the cache.
    init(_ command: SaveCommand, _ resources: StoreResources, after chain: VersionChain? = nil) {
        self.command = command
        history = resources.history
        let size = command.state.count
        let isPacked = size < min(resources.limits.baseFetchBytes, Self.packedAtOnce) || size > Self.packedApart
        packed =
            isPacked
            ? StateCompression.store(
                command.state,
                after: command.precondition == .expected(0) ? nil : chain ?? resources.cache.lookup(command.key)?.chain,
                resources.zstd) : nil
        digest = XXH3.digest(command.state)
        requestDigest = command.idempotencyKey == nil ? [] : command.requestDigest ?? command.requestDigest("save", content: digest)
    }

    /// The packed state, unless a connection was lost since: the database behind the next one may not have the base.
    func packed(in resources: StoreResources) -> StoredState? {
        guard let packed, packed.base == nil || history == resources.history else { return nil }
        return packed
    }

    /// Bytes of the packed state; 0: it is small, and packed in its batch.
    var packedBytes: Int { packed?.bytes.count ?? 0 }

    /// Whether it can share a statement with other saves: not if it needs look-ups beside that of the flow.
    var canShareStatement: Bool {
        command.checkpoint == nil && command.parentVersion == nil && command.quarantine == nil && command.notification == nil
            && command.kind != .definitionMoved
    }

    /// The version as it was saved.
    func record(_ version: FlowVersion, at time: Timestamp, head: FlowHead) -> VersionRecord {
        VersionRecord(
            version: version, parentVersion: command.parentVersion ?? (version == 1 ? nil : version - 1),
            kind: version == 1 ? .created : command.kind,
            actor: command.actor, contentType: command.contentType.text, size: Int64(command.state.count), digest: digest,
            phase: head.phase, status: head.status, progress: head.progress, versionLabel: command.versionLabel,
            metadata: command.metadata, createdAt: time, checkpoints: [])
    }

    /// The head of a flow that this save creates.
    func newHead(_ key: FlowKey, at time: Timestamp) -> FlowHead {
        FlowHead(
            key: key, flowType: command.flowType ?? "", version: 1, phase: command.phase ?? "", status: command.status ?? "",
            progress: command.progress, labels: command.labels ?? .none, createdAt: time, updatedAt: time, deletedAt: nil,
            definitionRevision: command.definitionRevision)
    }
}

extension SaveCommand {
    /// The head after this save.
    func apply(to head: inout FlowHead, version: FlowVersion, at time: Timestamp) {
        head.version = version
        head.updatedAt = time
        if let phase { head.phase = phase }
        if let status { head.status = status }
        if let progress { head.progress = progress }
        if let labels { head.labels = labels }
        if let labelChanges { head.labels = head.labels.applying(labelChanges) }
        if kind == .definitionMoved { head.definitionRevision = definitionRevision }
    }

    /// The digest of what the client asked for, without the caller and the ids that the server generated for this try.
    ///
    /// - Parameter digest: of the state, or of the patch from which it is derived.
    func requestDigest(_ operation: String, content digest: [UInt8]) -> [UInt8] {
        var content = RequestContent(operation: operation)
        content.append(hasGeneratedFlowID ? nil : key.flowID)
        content.append(precondition)
        content.append(Int64(kind.rawValue))
        content.append(digest)
        content.append(contentType.text)
        content.append(flowType)
        content.append(phase)
        content.append(status)
        content.append(progress.map { Int64(bitPattern: $0.bitPattern) })
        content.append(labels.map(LabelsJSON.encode))
        content.append(versionLabel)
        content.append(parentVersion)
        content.append(metadata)
        content.append(checkpoint.map { $0.name ?? "" })
        content.append(checkpoint?.description)
        return content.digest
    }
}
