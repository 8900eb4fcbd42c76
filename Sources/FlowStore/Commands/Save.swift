import FlowModel
import Postgres

extension SaveCommand: StoreCommand {
    public func prepare(limits: Limits) throws(StateError) -> PreparedCommand<SavedVersion> {
        try StateCheck(limits: limits).check(self)
        let digest = Digest.xxh3(state)
        let requestDigest = idempotencyKey == nil ? [] : requestDigest(state: digest)
        let statement = SaveSQL.statement(head, idempotent: idempotencyKey != nil, checkpoint: checkpoint != nil)
        let judge = judge(requestDigest: requestDigest)
        return PreparedCommand(
            lane: .writer(shard: Digest.shard(of: key)),
            statement: statement,
            parameters: parameters(digest: digest, requestDigest: requestDigest)
        ) { rows throws(PostgresError) in try judge.answer(rows) }
    }

    private var head: SaveSQL.Head {
        switch precondition {
        case .expected(0): .create
        case .expected: .update
        case .none, .anyVersion: parentVersion == nil ? .append : .update
        }
    }

    private func parameters(digest: [UInt8], requestDigest: [UInt8]) -> Parameters {
        var parameters = Parameters(reservingBytes: state.count + metadata.count + 512)
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(precondition.expectedVersion)
        parameters.append(flowType)
        parameters.append(phase)
        parameters.append(status)
        parameters.append(progress)
        parameters.append(labels.map(LabelsJSON.encode))
        parameters.append(kind.rawValue)
        parameters.append(actor)
        parameters.append(contentType.text)
        parameters.append(bytes: state)
        parameters.append(Int64(state.count))
        parameters.append(bytes: digest)
        parameters.append(StateCodec.raw.rawValue)
        parameters.append(parentVersion)
        parameters.append(versionLabel)
        parameters.append(bytes: metadata.isEmpty ? nil : metadata)
        if let idempotencyKey {
            parameters.append(idempotencyKey)
            parameters.append(bytes: requestDigest)
        }
        if let checkpoint {
            parameters.append(checkpoint.id)
            parameters.append(checkpoint.name)
            parameters.append(checkpoint.description)
        }
        return parameters
    }

    /// What the client asked for. Not part of it: who asks, and the ids that the server made for this try.
    private func requestDigest(state digest: [UInt8]) -> [UInt8] {
        var content = RequestContent(operation: "save")
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

    private func judge(requestDigest: [UInt8]) -> ChangeJudge {
        let flowID = key.flowID
        let expected = precondition.expectedVersion
        let isCreate = kind == .created
        let (flowType, parentVersion, checkpointName) = (flowType, parentVersion, checkpoint?.name)
        return ChangeJudge(
            flowID: flowID, expected: expected, idempotencyKey: idempotencyKey, requestDigest: requestDigest,
            needsFlow: expected == nil && parentVersion != nil
        ) { flow in
            if isCreate { return .flowAlreadyExists(flowID: flowID, version: flow.version, deleted: flow.isDeleted) }
            if let error = ChangeJudge.commonRefusal(flow, flowID: flowID, expected: expected) { return error }
            if let flowType, !flowType.utf8.elementsEqual(flow.flowType.utf8) {
                return .invalidArgument(
                    field: "flow_type",
                    message: "is \"\(flowType)\", but the flow is of type \"\(flow.flowType)\"; leave it empty or send that one")
            }
            if let parentVersion, parentVersion > flow.version {
                return .invalidArgument(
                    field: "parent_version", message: "is \(parentVersion), but the flow is at version \(flow.version)")
            }
            if flow.isBlocked, let checkpointName {
                return .checkpointAlreadyExists(flowID: flowID, checkpoint: checkpointName)
            }
            return nil
        }
    }
}

/// How the column `state` holds a state.
enum StateCodec: Int16 {
    /// Byte for byte.
    case raw = 0
}
