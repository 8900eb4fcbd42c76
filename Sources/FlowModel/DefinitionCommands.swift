import JSON

/// Stores a new revision of a definition, unless the latest revision has the same document.
package struct PutDefinitionCommand: Sendable {
    package var tenant: String
    package var actor: String
    /// JSON.
    package var document: [UInt8]
    /// The latest revision must be this one; 0: there must be none; nil: whatever is there.
    package var expectedRevision: Int64?

    package init(tenant: String, actor: String, document: [UInt8], expectedRevision: Int64? = nil) {
        self.tenant = tenant
        self.actor = actor
        self.document = document
        self.expectedRevision = expectedRevision
    }

    /// - Throws: `definitionInvalid` for a faulty document or a built-in type, `invalidArgument` for the other fields.
    package func check(limits: Limits, budget: WorkBudget) throws(StateError) -> FlowDefinition {
        try NameRule.check(actor, field: "actor", maximumBytes: limits.idBytes)
        if let expectedRevision {
            try WireNumber.check(expectedRevision, field: "expected_revision", hint: "use 0 for \"must not exist\"")
        }
        let definition = try DefinitionReader.read(document, limits: limits, budget: budget)
        if BuiltInDefinitions.isBuiltIn(definition.flowType) {
            let message = "\"\(definition.flowType)\" is built in and cannot be replaced; choose another flow_type"
            throw .definitionInvalid([DocumentFault(path: "/flow_type", message: message)])
        }
        return definition
    }
}

/// Pins a flow to another revision of its type's definition.
package struct MoveFlowCommand: Sendable {
    package var request: LifecycleRequest
    /// nil: the latest.
    package var revision: Int64?

    package init(_ request: LifecycleRequest, revision: Int64? = nil) {
        self.request = request
        self.revision = revision
    }

    /// The version that records the move.
    ///
    /// - Throws: `stateInvalid` when the definition is enforced and the state breaks its rules.
    package func next(
        _ snapshot: Snapshot, from old: FlowDefinition?, to definition: FlowDefinition, revision: Int64, limits: Limits, budget: WorkBudget
    ) throws(StateError) -> SaveCommand {
        var command = SaveCommand(
            key: request.key, actor: request.actor, state: snapshot.state,
            contentType: try ContentType(parsing: snapshot.version.contentType, limits: limits), kind: .definitionMoved)
        command.definitionRevision = revision
        command.metadata = Array("{\"from_revision\":\(snapshot.head.definitionRevision ?? 0),\"revision\":\(revision)}".utf8)
        var moved = try command.following(definition, from: .unknown, limits: limits, budget: budget).command
        // The limits of the new revision count from the move.
        let head = snapshot.head
        moved.timeLimits = definition.limits(
            entering: moved.phase ?? head.phase, moved.status ?? head.status, from: (head.phase, head.status))
        // Labels that only the old definition takes from states are removed.
        let gone = LabelChanges((old?.labels ?? []).map { LabelChanges.Entry(name: $0.name, value: nil) })
        if !gone.entries.isEmpty { moved.labelChanges = moved.labelChanges.map { gone.followed(by: $0) } ?? gone }
        return moved
    }
}

package struct MovedFlow: Sendable, Equatable {
    package var head: FlowHead
    /// nil: the flow followed the latest.
    package var from: Int64?
    package var replayed: Bool

    package init(head: FlowHead, from: Int64?, replayed: Bool) {
        self.head = head
        self.from = from
        self.replayed = replayed
    }
}

package struct GetDefinitionCommand: Sendable {
    package var tenant: String
    package var flowType: String
    /// nil: the latest.
    package var revision: Int64?

    package init(tenant: String, flowType: String, revision: Int64? = nil) {
        self.tenant = tenant
        self.flowType = flowType
        self.revision = revision
    }

    package func check(limits: Limits) throws(StateError) {
        try NameRule.check(flowType, field: "flow_type", maximumBytes: limits.idBytes)
        if let revision { try WireNumber.check(revision, field: "revision", hint: "revisions start at 1, 0 is the latest") }
    }
}

/// The latest revision of every definition, built-in ones too, by type.
package struct ListDefinitionsCommand: Sendable {
    package var tenant: String
    /// 0 means the default.
    package var pageSize: Int
    package var pageToken: PageToken?

    package init(tenant: String, pageSize: Int = 0, pageToken: PageToken? = nil) {
        self.tenant = tenant
        self.pageSize = pageSize
        self.pageToken = pageToken
    }
}

/// One revision of a definition.
package struct DefinitionRecord: Sendable, Equatable {
    package var flowType: String
    /// From 1.
    package var revision: Int64
    /// JSON, as it was put.
    package var document: [UInt8]
    /// Empty for one that is built in.
    package var actor: String
    /// nil for one that is built in.
    package var createdAt: Timestamp?

    package init(flowType: String, revision: Int64, document: [UInt8], actor: String, createdAt: Timestamp?) {
        self.flowType = flowType
        self.revision = revision
        self.document = document
        self.actor = actor
        self.createdAt = createdAt
    }

    package var isBuiltIn: Bool { createdAt == nil }
}

extension BuiltInDefinitions {
    /// As they are listed, by type.
    package static let records = documents.map { flowType, document in
        DefinitionRecord(flowType: flowType, revision: 1, document: Array(document.utf8), actor: "", createdAt: nil)
    }.sorted { $0.flowType.utf8.lexicographicallyPrecedes($1.flowType.utf8) }

    package static func record(_ flowType: String) -> DefinitionRecord? { records.first { $0.flowType.hasSameBytes(as: flowType) } }
}

/// Validates a state against a definition. Writes nothing.
package struct ValidateStateCommand: Sendable {
    package enum Subject: Sendable, Equatable {
        /// The latest state of a flow, validated by its own definition unless another type is named.
        case flow(FlowKey)
        /// A state that need not be stored.
        case state([UInt8], flowType: String)
    }

    package var tenant: String
    package var subject: Subject
    /// nil: the flow's own.
    package var flowType: String?
    package var depth: ValidationDepth

    package init(tenant: String, subject: Subject, flowType: String? = nil, depth: ValidationDepth = .complete) {
        self.tenant = tenant
        self.subject = subject
        self.flowType = flowType
        self.depth = depth
    }
}

package struct ValidatedState: Sendable, Equatable {
    package var report: ValidationReport
    package var flowType: String
    /// 0: the type has no definition, and so no rules.
    package var definitionRevision: Int64
    /// 0: a state that is not stored.
    package var version: FlowVersion

    package init(report: ValidationReport, flowType: String, definitionRevision: Int64, version: FlowVersion) {
        self.report = report
        self.flowType = flowType
        self.definitionRevision = definitionRevision
        self.version = version
    }
}
