import JSON

/// The checks of a command that need only the command: in one place, pure, before anything is queued.
///
/// Each throws one error that names the field; `FlowKey` and `ContentType` were checked when they were made.
package struct StateCheck: Sendable {
    package let limits: Limits

    package init(limits: Limits) {
        self.limits = limits
    }

    package func check(_ command: SaveCommand) throws(StateError) {
        try checkFields(of: command)
        // A state in parts was checked while it came.
        if command.parts == nil { try checkState(command.state, command.contentType) }
    }

    /// All fields but the state: the definition of the flow type may have to provide that.
    package func checkFields(of command: SaveCommand) throws(StateError) {
        try checkName(command.actor, "actor")
        try checkName(command.flowType, "flow_type")
        try checkName(command.phase, "phase")
        try checkName(command.status, "status")
        try checkName(command.versionLabel, "version_label", mayBeEmpty: false)
        try checkProgress(command.progress)
        try command.labels?.check(limits: limits)
        try checkVersion(command.precondition)
        try checkVersionNumber(command.parentVersion, "parent_version")
        if command.parentVersion != nil, command.precondition == .expected(0) {
            throw .invalidArgument(field: "parent_version", message: "a flow that must not exist has no version to come from")
        }
        try checkLineage(of: command)
        try check(leaseToken: command.leaseToken)
        if command.leaseToken != nil, command.precondition == .expected(0) {
            throw .invalidArgument(field: "lease_token", message: "a flow that must not exist has no lease")
        }
        if let checkpoint = command.checkpoint { try checkCheckpoint(checkpoint) }
        if !command.writes.isEmpty {
            guard command.versionLabel != nil else {
                throw .invalidArgument(field: "version_label", message: "must be given: writes belong to a version by its label")
            }
            try checkWrites(command.writes)
        }
        // With a digest of its own the key was checked with the request that it is of.
        if command.requestDigest == nil { try checkIdempotencyKey(command.idempotencyKey) }
        // For the other kinds the server writes the metadata.
        if command.kind == .saved || command.kind == .created { try checkMetadata(command.metadata) }
    }

    private func checkLineage(of command: SaveCommand) throws(StateError) {
        try checkName(command.parentLabel, "parent_version_label", mayBeEmpty: false)
        if command.parentLabel != nil, command.parentVersion != nil {
            throw .invalidArgument(field: "parent_version_label", message: "give this or parent_version, not both")
        }
        if command.tags.entries.count > limits.versionTags {
            let message = "has \(command.tags.entries.count) entries, the limit is \(limits.versionTags)"
            throw .invalidArgument(field: "version_tags", message: message)
        }
        try command.tags.check(limits: limits, field: "version_tags")
        if let ttl = command.ttlMilliseconds, ttl != 0, !(limits.minimumTTLMilliseconds...limits.maximumTTLMilliseconds).contains(ttl) {
            let (low, high) = (limits.minimumTTLMilliseconds, limits.maximumTTLMilliseconds)
            throw .invalidArgument(field: "ttl", message: "is \(ttl) ms; it must be between \(low) and \(high) ms, or 0: the flow stays")
        }
        guard command.revives else { return }
        if command.leaseToken != nil || command.parentVersion != nil {
            throw .invalidArgument(field: "revive", message: "a flow that is made anew has neither a lease nor a parent_version")
        }
        switch command.precondition {
        case .none, .anyVersion, .expected(0): break
        case .expected, .expectedLabel:
            throw .invalidArgument(field: "revive", message: "a deleted flow has no version to expect; expect version 0, or none")
        }
    }

    package func check(_ command: DeleteFlowCommand) throws(StateError) {
        try checkName(command.actor, "actor")
        try checkExisting(command.precondition)
        try checkIdempotencyKey(command.idempotencyKey)
    }

    package func check(_ command: ForkFlowCommand) throws(StateError) {
        try checkName(command.actor, "actor")
        try check(LoadCommand(key: command.source, selector: command.selector))
        try command.labels?.check(limits: limits)
        try checkMetadata(command.metadata)
        try checkIdempotencyKey(command.idempotencyKey)
    }

    package func check(_ command: RestoreCheckpointCommand) throws(StateError) {
        try checkName(command.actor, "actor")
        try checkName(command.checkpoint, "checkpoint", mayBeEmpty: false)
        try checkExisting(command.precondition)
        try checkIdempotencyKey(command.idempotencyKey)
    }

    package func check(_ command: CreateCheckpointCommand) throws(StateError) {
        try checkName(command.actor, "actor")
        try checkCheckpoint(command.checkpoint)
        try checkVersionNumber(command.version, "version")
    }

    package func check(_ command: DeleteCheckpointCommand) throws(StateError) {
        try checkName(command.actor, "actor")
        try checkName(command.checkpoint, "checkpoint", mayBeEmpty: false)
    }

    package func check(_ command: AppendWritesCommand) throws(StateError) {
        try checkName(command.actor, "actor")
        try checkName(command.versionLabel, "version_label", mayBeEmpty: false)
        try check(leaseToken: command.leaseToken)
        if command.writes.isEmpty { throw .invalidArgument(field: "writes", message: "must not be empty") }
        try checkWrites(command.writes)
    }

    package func check(_ command: DeleteWritesCommand) throws(StateError) {
        try checkName(command.actor, "actor")
        try check(leaseToken: command.leaseToken)
        try check(command.filter)
    }

    package func check(_ filter: WriteFilter) throws(StateError) {
        try checkName(filter.versionLabel, "version_label", mayBeEmpty: false)
        try checkName(filter.channel, "channel", mayBeEmpty: false)
        try checkName(filter.taskID, "task_id", mayBeEmpty: false)
    }

    package func check(_ command: LoadCommand) throws(StateError) {
        switch command.selector {
        case .latest, .greatestLabel: break
        case .version(let version): try checkVersionNumber(version, "version")
        case .checkpoint(let name): try checkName(name, "checkpoint", mayBeEmpty: false)
        case .label(let label): try checkName(label, "version_label", mayBeEmpty: false)
        case .time(let time): try time.check(field: "time")
        }
        if let version = command.ifVersionNot { try WireNumber.check(version, field: "if_version_not") }
        guard command.waitMilliseconds != nil else { return }
        if command.ifVersionNot == nil { throw .invalidArgument(field: "wait", message: "needs if_version_not: the version that you have") }
        if command.selector != .latest { throw .invalidArgument(field: "wait", message: "is for the latest version only") }
    }

    package func check(_ command: ListFlowsCommand) throws(StateError) {
        try checkName(command.tenant, "tenant", mayBeEmpty: false)
        try check(command.filter)
        _ = try pageSize(command.pageSize)
    }

    package func check(_ filter: FlowFilter) throws(StateError) {
        try checkName(filter.flowType, "flow_type")
        try checkName(filter.phase, "phase")
        try checkName(filter.status, "status")
        try filter.labels.check(limits: limits)
        try checkName(filter.flowIDPrefix, "flow_id_prefix")
        try checkRange(filter.created, "created")
        try checkRange(filter.updated, "updated")
    }

    /// The rows of a page for a requested size.
    package func pageSize(_ requested: Int) throws(StateError) -> Int {
        if requested < 0 { throw .invalidArgument(field: "page_size", message: "is \(requested); it must not be negative") }
        return requested == 0 ? limits.pageSize : min(requested, limits.maximumPageSize)
    }
}

// MARK: - Single fields

extension StateCheck {
    private func checkName(_ name: String?, _ field: String, mayBeEmpty: Bool = true) throws(StateError) {
        guard let name else { return }
        try NameRule.check(name, field: field, maximumBytes: limits.idBytes, mayBeEmpty: mayBeEmpty)
    }

    private func checkState(_ state: [UInt8], _ contentType: ContentType) throws(StateError) {
        if state.count > limits.stateBytes {
            throw .tooLarge(what: "state", size: state.count, limit: limits.stateBytes)
        }
        guard contentType.isJSON, let fault = JSONText.fault(in: state, maximumDepth: limits.jsonDepth) else { return }
        throw notJSON(fault, contentType)
    }

    /// The error of a state that has to be JSON.
    package func notJSON(_ fault: JSONText.Fault, _ contentType: ContentType) -> StateError {
        let hint = fault.isTooDeep ? " (the limit is \(limits.jsonDepth))" : ""
        return .stateInvalid([
            Violation(
                path: "", rule: "syntax",
                message: "the state is not JSON although content_type is \(contentType.text): \(fault)\(hint)")
        ])
    }

    private func checkMetadata(_ metadata: [UInt8]) throws(StateError) {
        if metadata.count > limits.metadataBytes {
            throw .tooLarge(what: "metadata", size: metadata.count, limit: limits.metadataBytes)
        }
        guard !metadata.isEmpty, let fault = JSONText.fault(in: metadata, maximumDepth: limits.jsonDepth) else { return }
        throw .invalidArgument(field: "metadata", message: "must be JSON or empty: \(fault)")
    }

    /// Refuses NaN too: every comparison with it is false.
    private func checkProgress(_ progress: Double?) throws(StateError) {
        guard let progress, !(progress >= 0 && progress <= 100) else { return }
        throw .invalidArgument(field: "progress", message: "is \(progress); it must lie between 0 and 100")
    }

    private func checkCheckpoint(_ checkpoint: CheckpointRequest) throws(StateError) {
        try checkName(checkpoint.id, "checkpoint id", mayBeEmpty: false)
        try checkName(checkpoint.name, "checkpoint", mayBeEmpty: false)
        let size = checkpoint.description.utf8.count
        if size > limits.descriptionBytes {
            throw .invalidArgument(field: "description", message: "is \(size) bytes, the limit is \(limits.descriptionBytes)")
        }
        if checkpoint.description.utf8.contains(0) {
            throw .invalidArgument(field: "description", message: "contains a NUL character")
        }
    }

    private func checkWrites(_ writes: [PendingWrite]) throws(StateError) {
        if writes.count > limits.writes {
            throw .invalidArgument(field: "writes", message: "has \(writes.count) entries, the limit is \(limits.writes)")
        }
        for (place, write) in writes.enumerated() {
            try checkName(write.taskID, "writes[\(place)].task_id", mayBeEmpty: false)
            try checkName(write.channel, "writes[\(place)].channel", mayBeEmpty: false)
            try checkName(write.type, "writes[\(place)].type")
            try NameRule.check(
                write.path, field: "writes[\(place)].path", maximumBytes: limits.writePathBytes, mayBeEmpty: true)
            if write.value.count > limits.stateBytes {
                throw .tooLarge(what: "writes[\(place)].value", size: write.value.count, limit: limits.stateBytes)
            }
        }
    }

    private func checkVersion(_ precondition: Precondition) throws(StateError) {
        if case .expectedLabel(let label) = precondition { try checkName(label, "expected_version_label", mayBeEmpty: false) }
        guard case .expected(let version) = precondition else { return }
        try WireNumber.check(version, field: "expected_version", hint: "use 0 for \"must not exist\" or a version from 1")
    }

    /// For changes that are derived from the latest version.
    package func checkDerived(
        actor: String, _ precondition: Precondition, leaseToken: Int64? = nil, _ idempotencyKey: String?
    ) throws(StateError) {
        try checkName(actor, "actor")
        try check(leaseToken: leaseToken)
        try checkExisting(precondition)
        try checkIdempotencyKey(idempotencyKey)
    }

    /// For changes that need an existing flow.
    package func checkExisting(_ precondition: Precondition) throws(StateError) {
        guard case .expected(let version) = precondition else { return }
        try WireNumber.check(version, field: "expected_version", from: 1, hint: "the flow must exist, so use a version from 1")
    }

    package func checkVersionNumber(_ version: FlowVersion?, _ field: String) throws(StateError) {
        if let version { try WireNumber.check(version, field: field, from: 1, hint: "versions start at 1") }
    }

    package func checkIdempotencyKey(_ key: String?) throws(StateError) {
        guard let key else { return }
        try NameRule.check(key, field: "idempotency_key", maximumBytes: limits.idempotencyKeyBytes)
    }

    private func checkRange(_ range: TimeRange, _ field: String) throws(StateError) {
        try range.start?.check(field: "\(field).start")
        try range.end?.check(field: "\(field).end")
        if let start = range.start, let end = range.end, end <= start {
            throw .invalidArgument(field: field, message: "ends before it starts")
        }
    }
}

/// Numbers in requests: versions, revisions, tokens, counts. They are bounded once, where they arrive, so that computing with them cannot
/// overflow an `Int64`.
package enum WireNumber {
    /// Far beyond every number that a flow can reach, and far enough from the end that sums of two stay within.
    package static let maximum: Int64 = 1 << 62

    /// - Parameter hint: what to use instead of a number that is too small.
    /// - Throws: `StateError.invalidArgument` that names the field and the bound.
    package static func check(
        _ number: Int64, field: String, from minimum: Int64 = 0, hint: @autoclosure () -> String = "it must not be negative"
    ) throws(StateError) {
        if number < minimum { throw .invalidArgument(field: field, message: "is \(number); \(hint())") }
        if number > maximum { throw .invalidArgument(field: field, message: "is \(number), the limit is \(maximum)") }
    }
}

extension Int64 {
    /// The nearest whole number within ±2^62; 0 for NaN.
    init(clamping value: Double) {
        self = value.isNaN ? 0 : Int64(exactly: Swift.min(Swift.max(value.rounded(), -0x1p62), 0x1p62)) ?? 0
    }
}
