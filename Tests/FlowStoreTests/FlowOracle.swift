import FlowModel
import JSON

/// What the store should answer, kept in memory: the simplest program with the same rules. One command at a time, one tenant.
struct FlowOracle {
    struct Version: Equatable {
        var kind: VersionKind
        var parent: FlowVersion?
        var state: [UInt8]
        var phase: String
        var label: String?
        var metadata: [UInt8]
    }

    struct Flow: Equatable {
        var type = ""
        var labels = Labels.none
        var versions: [Version] = []
        var isDeleted = false
        /// Name → version.
        var checkpoints: [String: FlowVersion] = [:]

        var version: FlowVersion { FlowVersion(versions.count) }
        var phase: String { versions.last?.phase ?? "" }
    }

    /// A request by its key: what it asked for, and the version it made.
    struct Recorded: Equatable {
        var content: String
        var flowID: String
        var version: FlowVersion
    }

    private(set) var flows: [String: Flow] = [:]
    private var recorded: [String: Recorded] = [:]

    mutating func save(_ command: SaveCommand) -> Result<FlowVersion, StateError> {
        let id = command.key.flowID
        return once(command.idempotencyKey, id, "save \(Self.content(command))") { oracle in
            var flow = oracle.flows[id] ?? Flow()
            if let error = Self.refusal(flow, id, command) { return .failure(error) }
            if flow.versions.isEmpty { flow.type = command.flowType ?? "" }
            if let labels = command.labels { flow.labels = labels }
            flow.versions.append(
                Version(
                    kind: flow.versions.isEmpty ? .created : command.kind,
                    parent: command.parentVersion ?? (flow.version == 0 ? nil : flow.version), state: command.state,
                    phase: command.phase ?? flow.phase, label: command.versionLabel, metadata: command.metadata))
            if let name = command.checkpoint?.name { flow.checkpoints[name] = flow.version }
            oracle.flows[id] = flow
            return .success(flow.version)
        }
    }

    mutating func delete(_ command: DeleteFlowCommand) -> Result<FlowVersion, StateError> {
        let id = command.key.flowID
        return once(command.idempotencyKey, id, "delete \(id) \(command.precondition)") { oracle in
            guard var flow = oracle.flows[id] else { return .failure(.flowNotFound(flowID: id, deleted: false)) }
            if let error = Self.common(flow, id, command.precondition) { return .failure(error) }
            flow.versions.append(
                Version(kind: .deleted, parent: flow.version, state: [], phase: flow.phase, label: nil, metadata: []))
            flow.isDeleted = true
            oracle.flows[id] = flow
            return .success(flow.version)
        }
    }

    mutating func restore(_ command: RestoreCheckpointCommand) -> Result<FlowVersion, StateError> {
        let id = command.key.flowID
        return once(command.idempotencyKey, id, "restore \(id) \(command.precondition) \(command.checkpoint)") { oracle in
            guard var flow = oracle.flows[id] else { return .failure(.flowNotFound(flowID: id, deleted: false)) }
            guard let source = flow.checkpoints[command.checkpoint] ?? (flow.isDeleted ? 0 : nil) else {
                return .failure(.checkpointNotFound(flowID: id, checkpoint: command.checkpoint))
            }
            if let error = Self.common(flow, id, command.precondition) { return .failure(error) }
            var version = flow.versions[Int(source) - 1]
            version.kind = .restored
            version.parent = source
            version.label = nil
            flow.versions.append(version)
            oracle.flows[id] = flow
            return .success(flow.version)
        }
    }

    mutating func checkpoint(_ command: CreateCheckpointCommand) -> Result<FlowVersion, StateError> {
        let id = command.key.flowID
        guard var flow = flows[id] else { return .failure(.flowNotFound(flowID: id, deleted: false)) }
        if flow.isDeleted { return .failure(.flowNotFound(flowID: id, deleted: true)) }
        let version = command.version ?? flow.version
        if version > flow.version { return .failure(.versionNotFound(flowID: id, selector: "version \(version)")) }
        let name = command.checkpoint.name ?? ""
        if flow.checkpoints[name] != nil { return .failure(.checkpointAlreadyExists(flowID: id, checkpoint: name)) }
        flow.checkpoints[name] = version
        flows[id] = flow
        return .success(version)
    }

    mutating func deleteCheckpoint(_ command: DeleteCheckpointCommand) -> Result<FlowVersion, StateError> {
        let id = command.key.flowID
        guard var flow = flows[id] else { return .failure(.flowNotFound(flowID: id, deleted: false)) }
        if flow.isDeleted { return .failure(.flowNotFound(flowID: id, deleted: true)) }
        guard let version = flow.checkpoints.removeValue(forKey: command.checkpoint) else {
            return .failure(.checkpointNotFound(flowID: id, checkpoint: command.checkpoint))
        }
        flows[id] = flow
        return .success(version)
    }

    // MARK: - Rules

    private mutating func once(
        _ key: String?, _ flowID: String, _ content: String, _ apply: (inout FlowOracle) -> Result<FlowVersion, StateError>
    ) -> Result<FlowVersion, StateError> {
        if let key, let first = recorded[key] {
            return first.content == content ? .success(first.version) : .failure(.idempotencyKeyReused(key: key))
        }
        let result = apply(&self)
        if let key, case .success(let version) = result {
            recorded[key] = Recorded(content: content, flowID: flowID, version: version)
        }
        return result
    }

    private static func content(_ command: SaveCommand) -> String {
        var same = command
        if same.precondition == .anyVersion { same.precondition = .none }
        same.checkpoint?.id = ""
        return "\(same)"
    }

    private static func common(_ flow: Flow, _ id: String, _ precondition: Precondition) -> StateError? {
        if flow.isDeleted { return .flowNotFound(flowID: id, deleted: true) }
        if case .expected(let expected) = precondition, expected != flow.version {
            return .versionConflict(flowID: id, expected: expected, actual: flow.version)
        }
        return nil
    }

    private static func refusal(_ flow: Flow, _ id: String, _ command: SaveCommand) -> StateError? {
        if command.kind == .created && flow.version > 0 {
            return .flowAlreadyExists(flowID: id, version: flow.version, deleted: flow.isDeleted)
        }
        if let error = common(flow, id, command.precondition) { return error }
        if command.parentVersion != nil && flow.version == 0 { return .flowNotFound(flowID: id, deleted: false) }
        if flow.version > 0, let type = command.flowType, type != flow.type {
            return .invalidArgument(field: "flow_type", message: "")
        }
        if let parent = command.parentVersion, parent > flow.version {
            return .invalidArgument(field: "parent_version", message: "")
        }
        if let name = command.checkpoint?.name, flow.checkpoints[name] != nil {
            return .checkpointAlreadyExists(flowID: id, checkpoint: name)
        }
        return nil
    }
}
