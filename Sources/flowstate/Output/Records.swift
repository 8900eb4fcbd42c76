import WireMessages

// The fields that are shown of each message, with the contract's names and in its order.

extension Record {
    init(_ flow: Flow) {
        self.init([
            ("flow_id", .string(flow.flowID)), ("flow_type", .string(flow.flowType)),
            ("version", .integer(flow.version)), ("phase", .string(flow.phase)), ("status", .string(flow.status)),
            ("progress", flow.progress.map { .number($0) } ?? .null), ("labels", .map(flow.labels)),
            ("created_at", .time(flow.createdAt)), ("updated_at", .time(flow.updatedAt)),
            ("expires_at", .time(flow.expiresAt)), ("deleted", .bool(flow.deleted)),
            ("definition_revision", .integer(flow.definitionRevision)),
        ])
    }

    init(_ version: VersionInfo) {
        self.init([
            ("version", .integer(version.version)), ("parent_version", .integer(version.parentVersion)),
            ("event", .string(version.event.name)), ("actor", .string(version.actor)),
            ("content_type", .string(version.contentType)), ("size_bytes", .integer(version.sizeBytes)),
            ("digest", .digest(version.digest)), ("phase", .string(version.phase)),
            ("status", .string(version.status)), ("progress", version.progress.map { .number($0) } ?? .null),
            ("version_label", .string(version.versionLabel)),
            ("metadata", .json(version.metadata)), ("created_at", .time(version.createdAt)),
            ("checkpoints", .strings(version.checkpoints)),
        ])
    }

    init(_ checkpoint: Checkpoint) {
        self.init([
            ("id", .string(checkpoint.id)), ("name", .string(checkpoint.name)),
            ("version", .integer(checkpoint.version)), ("description", .string(checkpoint.description)),
            ("created_at", .time(checkpoint.createdAt)), ("actor", .string(checkpoint.actor)),
            ("flow_id", .string(checkpoint.flowID)),
        ])
    }

    init(_ created: CreateFlowResponse) {
        self.init([
            ("flow_id", .string(created.flowID)), ("version", .integer(created.version)),
            ("created_at", .time(created.createdAt)), ("digest", .digest(created.digest)),
            ("replayed", .bool(created.replayed)),
        ])
    }

    init(_ saved: SaveStateResponse) {
        self.init([
            ("flow_id", .string(saved.flowID)), ("version", .integer(saved.version)),
            ("created_at", .time(saved.createdAt)), ("digest", .digest(saved.digest)),
            ("replayed", .bool(saved.replayed)), ("checkpoint_id", .string(saved.checkpointID)),
        ])
    }

    init(_ deleted: DeleteFlowResponse) {
        self.init([
            ("flow_id", .string(deleted.flowID)), ("version", .integer(deleted.version)),
            ("created_at", .time(deleted.createdAt)), ("replayed", .bool(deleted.replayed)),
        ])
    }

    init(_ restored: RestoreQuarantinedResponse) {
        self.init([
            ("flow_id", .string(restored.flowID)), ("version", .integer(restored.version)),
            ("created_at", .time(restored.createdAt)), ("digest", .digest(restored.digest)),
            ("replayed", .bool(restored.replayed)), ("restored_version", .integer(restored.restoredVersion)),
            ("warnings", .strings(restored.warnings.map { "\($0.path) \($0.rule)" })),
        ])
    }

    init(_ restored: RestoreCheckpointResponse) {
        self.init([
            ("flow_id", .string(restored.flowID)), ("version", .integer(restored.version)),
            ("created_at", .time(restored.createdAt)), ("digest", .digest(restored.digest)),
            ("replayed", .bool(restored.replayed)), ("restored_version", .integer(restored.restoredVersion)),
        ])
    }
}

extension Record {
    /// Without the document.
    init(_ definition: FlowDefinition) {
        self.init([
            ("flow_type", .string(definition.flowType)), ("revision", .integer(definition.revision)),
            ("built_in", .bool(definition.builtIn)), ("created_at", .time(definition.createdAt)),
            ("actor", .string(definition.actor)), ("size_bytes", .integer(Int64(definition.document.count))),
        ])
    }

    /// A flow after a step of its lifecycle.
    init(step flow: Flow?, _ more: [Field], replayed: Bool) {
        let flow = flow ?? Flow()
        self.init(
            [
                ("flow_id", .string(flow.flowID)), ("version", .integer(flow.version)), ("phase", .string(flow.phase)),
                ("status", .string(flow.status)), ("progress", flow.progress.map { .number($0) } ?? .null),
            ] + more + [("replayed", .bool(replayed))])
    }

    init(_ entry: HistoryEntry) {
        switch entry.entry {
        case .version(let version)?:
            self.init([
                ("time", .time(entry.time)), ("kind", .string(version.event.name)), ("version", .integer(version.version)),
                ("actor", .string(entry.actor)), ("phase", .string(version.phase)), ("status", .string(version.status)),
                ("details", .json(version.metadata)),
            ])
        case .event(let event)?:
            self.init([
                ("time", .time(entry.time)), ("kind", .string(event.kind)), ("version", .null), ("actor", .string(entry.actor)),
                ("phase", .null), ("status", .null), ("details", .json(event.details)),
            ])
        case nil: self.init([("time", .time(entry.time)), ("kind", .string("unknown")), ("actor", .string(entry.actor))])
        }
    }

    init(_ recovery: Recovery, replayed: Bool) {
        self.init([
            ("id", .string(recovery.id)), ("flow_id", .string(recovery.flowID)), ("state", .string(recovery.state.text)),
            ("strategy", .string(recovery.strategy.text)), ("broken_version", .integer(recovery.brokenVersion)),
            ("recovered_version", .integer(recovery.recoveredVersion)),
            ("steps", .strings(recovery.steps.map { "\($0.action) \($0.version): \($0.outcome)" })),
            ("violations", .strings(recovery.violations.map { "\($0.path) \($0.rule)" })),
            ("quarantine_id", .string(recovery.quarantineID)), ("diff", .json(recovery.diff)), ("replayed", .bool(replayed)),
        ])
    }

    init(_ entry: QuarantineEntry) {
        self.init([
            ("id", .string(entry.id)), ("flow_id", .string(entry.flowID)), ("version", .integer(entry.version)),
            ("reason", .string(entry.reason)), ("violations", .strings(entry.violations.map { "\($0.path) \($0.rule)" })),
            ("content_type", .string(entry.contentType)), ("size_bytes", .integer(entry.sizeBytes)), ("digest", .digest(entry.digest)),
            ("created_at", .time(entry.createdAt)),
        ])
    }

    init(_ notification: Notification) {
        self.init([
            ("id", .string(notification.id)), ("flow_id", .string(notification.flowID)), ("version", .integer(notification.version)),
            ("level", .string(notification.level.text)), ("title", .string(notification.title)),
            ("message", .string(notification.message)), ("created_at", .time(notification.createdAt)),
            ("acknowledged_at", .time(notification.acknowledgedAt)), ("acknowledged_by", .string(notification.acknowledgedBy)),
        ])
    }

    /// - Parameter severity: `error` or `warning`.
    init(_ violation: Violation, severity: String) {
        self.init([
            ("severity", .string(severity)), ("path", .string(violation.path)), ("rule", .string(violation.rule)),
            ("message", .string(violation.message)),
        ])
    }
}

extension RecoveryState {
    /// The contract's name without its prefix, in lower case.
    var text: String {
        switch self {
        case .unspecified: "unspecified"
        case .pending: "pending"
        case .running: "running"
        case .succeeded: "succeeded"
        case .failed: "failed"
        case .planned: "planned"
        case .unrecognized(let value): "state_\(value)"
        }
    }
}

extension NotificationLevel {
    /// As in `notification list --level`.
    var text: String {
        switch self {
        case .unspecified: "unspecified"
        case .info: "info"
        case .warning: "warning"
        case .error: "error"
        case .unrecognized(let value): "level_\(value)"
        }
    }
}

extension RecoveryStrategy {
    /// As in `recover --strategy`; `none` when nothing was wrong.
    var text: String {
        switch self {
        case .unspecified: "none"
        case .repair: "repair"
        case .rollbackCheckpoint: "checkpoint"
        case .rollbackVersion: "version"
        case .reset: "reset"
        case .unrecognized(let value): "strategy_\(value)"
        }
    }
}

extension Record {
    init(_ moved: MoveFlowResponse) {
        let flow = moved.flow ?? Flow()
        self.init([
            ("flow_id", .string(flow.flowID)), ("version", .integer(flow.version)), ("from_revision", .integer(moved.fromRevision)),
            ("definition_revision", .integer(flow.definitionRevision)), ("replayed", .bool(moved.replayed)),
        ])
    }

    init(_ info: GetServerInfoResponse) {
        self.init([
            ("version", .string(info.version)), ("uptime_seconds", .number((info.uptime ?? .zero) / .seconds(1))),
            ("schema_version", .integer(info.schemaVersion)), ("features", .strings(info.features)),
            ("methods", .strings(info.methods)),
            ("limits", .record(Record(info.limits.map { ($0.name, .integer($0.value)) }))),
        ])
    }

    init(_ removed: CleanupResponse) { self.init(Self.counts(removed) + [("more", .bool(removed.more))]) }

    init(_ run: GetCleanupRunResponse) {
        self.init(
            [
                ("holder", .string(run.holder)), ("started_at", .time(run.startedAt)), ("finished_at", .time(run.finishedAt)),
                ("flow_id", .string(run.flowID)),
            ] + Self.counts(run.removed ?? CleanupResponse()))
    }

    private static func counts(_ removed: CleanupResponse) -> [(String, OutputValue)] {
        [
            ("versions", .integer(removed.versions)), ("flows", .integer(removed.flows)),
            ("ended_flows", .integer(removed.endedFlows)), ("checkpoints", .integer(removed.checkpoints)),
            ("quarantined", .integer(removed.quarantined)), ("events", .integer(removed.events)),
            ("bytes", .integer(removed.bytes)), ("skipped", .integer(removed.skipped)),
        ]
    }
}
