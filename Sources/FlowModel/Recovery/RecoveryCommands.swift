import JSON

/// Recovers a flow whose latest state is broken: breaks rules, is not JSON, or cannot be read.
package struct RecoverFlowCommand: Sendable {
    package var key: FlowKey
    package var actor: String
    /// What starts the recovery, which the flow's policy must list; nil: the caller asked for it.
    package var trigger: RecoveryTrigger?
    /// nil: the strategies of the definition, in their order.
    package var strategy: RecoveryStrategy?
    /// For the strategy `checkpoint`; nil: the newest checkpoint whose state follows the rules.
    package var checkpoint: String?
    /// Only reports what would be done.
    package var isDryRun: Bool
    package var reason: String
    package var idempotencyKey: String?
    /// Generated for this call.
    package var recoveryID: String
    package var quarantineID: String
    package var notificationID: String

    package init(
        key: FlowKey, actor: String, strategy: RecoveryStrategy? = nil, checkpoint: String? = nil, isDryRun: Bool = false,
        reason: String = "", idempotencyKey: String? = nil, recoveryID: String, quarantineID: String, notificationID: String
    ) {
        self.key = key
        self.actor = actor
        self.strategy = strategy
        self.checkpoint = checkpoint
        self.isDryRun = isDryRun
        self.reason = reason
        self.idempotencyKey = idempotencyKey
        self.recoveryID = recoveryID
        self.quarantineID = quarantineID
        self.notificationID = notificationID
    }

    /// A recovery that the server starts by the policy of the flow's type. `makeID` generates an id at each call.
    package static func byPolicy(_ trigger: RecoveryTrigger, of key: FlowKey, makeID: () -> String) -> RecoverFlowCommand {
        var command = RecoverFlowCommand(
            key: key, actor: "flowstate", reason: "by policy: \(trigger.rawValue)", recoveryID: makeID(), quarantineID: makeID(),
            notificationID: makeID())
        command.trigger = trigger
        return command
    }
}

/// What recovery did, or would do.
package struct RecoveryRecord: Sendable, Equatable {
    package struct Step: Sendable, Equatable {
        package var action: String
        /// 0: none.
        package var version: FlowVersion
        package var outcome: String

        package init(action: String, version: FlowVersion, outcome: String) {
            self.action = action
            self.version = version
            self.outcome = outcome
        }
    }

    package var id: String
    package var isPlanned: Bool
    /// nil: the state was not broken.
    package var strategy: RecoveryStrategy?
    package var brokenVersion: FlowVersion
    /// 0: no version was written.
    package var recoveredVersion: FlowVersion
    package var steps: [Step]
    package var violations: [Violation]
    /// Empty: nothing was quarantined.
    package var quarantineID: String
    package var time: Timestamp
    /// The caller, or the server itself.
    package var actor: String
    package var replayed: Bool
    /// The JSON Patch from the broken state; empty when that is not JSON.
    package var diff: [UInt8]

    package init(
        id: String, isPlanned: Bool, strategy: RecoveryStrategy?, brokenVersion: FlowVersion, recoveredVersion: FlowVersion,
        steps: [Step], violations: [Violation], quarantineID: String, time: Timestamp, actor: String, replayed: Bool = false,
        diff: [UInt8] = []
    ) {
        self.id = id
        self.isPlanned = isPlanned
        self.strategy = strategy
        self.brokenVersion = brokenVersion
        self.recoveredVersion = recoveredVersion
        self.steps = steps
        self.violations = violations
        self.quarantineID = quarantineID
        self.time = time
        self.actor = actor
        self.replayed = replayed
        self.diff = diff
    }
}

/// Quarantines the version before the saved one.
package struct QuarantineRequest: Sendable, Equatable {
    package var id: String
    package var reason: String
    package var violations: [Violation]

    package init(id: String, reason: String, violations: [Violation]) {
        self.id = id
        self.reason = reason
        self.violations = violations
    }

    /// As JSON: an array of objects.
    package var violationsText: String {
        "["
            + violations.map { violation in
                var object = JSONObjectText()
                object.add("path", violation.path)
                object.add("rule", violation.rule)
                object.add("message", violation.message)
                return object.text
            }.joined(separator: ",") + "]"
    }

    /// Reads what `violationsText` wrote.
    package static func violations(_ text: [UInt8]) -> [Violation] {
        guard let document = try? JSONDocument(text, maximumDepth: 8) else { return [] }
        return document.root.elements.map { object in
            Violation(
                path: object["path"]?.string ?? "", rule: object["rule"]?.string ?? "", message: object["message"]?.string ?? "")
        }
    }
}

/// A quarantined state, without its bytes.
package struct QuarantineRecord: Sendable, Equatable {
    package var id: String
    package var key: FlowKey
    package var version: FlowVersion
    package var reason: String
    package var violations: [Violation]
    package var contentType: String
    package var size: Int64
    package var digest: [UInt8]
    package var createdAt: Timestamp

    package init(
        id: String, key: FlowKey, version: FlowVersion, reason: String, violations: [Violation], contentType: String,
        size: Int64,
        digest: [UInt8], createdAt: Timestamp
    ) {
        self.id = id
        self.key = key
        self.version = version
        self.reason = reason
        self.violations = violations
        self.contentType = contentType
        self.size = size
        self.digest = digest
        self.createdAt = createdAt
    }
}

package struct ListQuarantineCommand: Sendable {
    package var tenant: String
    /// nil: of every flow.
    package var flowID: String?
    /// 0 means the default.
    package var pageSize: Int
    package var pageToken: PageToken?

    package init(tenant: String, flowID: String? = nil, pageSize: Int = 0, pageToken: PageToken? = nil) {
        self.tenant = tenant
        self.flowID = flowID
        self.pageSize = pageSize
        self.pageToken = pageToken
    }
}

/// Saves a quarantined state as the next version, with the phase, status and progress that it had.
package struct RestoreQuarantinedCommand: Sendable {
    package var tenant: String
    package var actor: String
    package var id: String
    package var precondition: Precondition
    /// Also restores a state that breaks enforced rules.
    package var allowsInvalid: Bool
    package var idempotencyKey: String?

    package init(
        tenant: String, actor: String, id: String, precondition: Precondition = .none, allowsInvalid: Bool = false,
        idempotencyKey: String? = nil
    ) {
        self.tenant = tenant
        self.actor = actor
        self.id = id
        self.precondition = precondition
        self.allowsInvalid = allowsInvalid
        self.idempotencyKey = idempotencyKey
    }

    /// The next version.
    package func save(_ quarantined: Snapshot, limits: Limits) throws(StateError) -> SaveCommand {
        let version = quarantined.version
        var save = SaveCommand(
            key: quarantined.head.key, actor: actor, state: quarantined.state,
            contentType: try ContentType(parsing: version.contentType, limits: limits), precondition: precondition, kind: .restored)
        save.parts = quarantined.parts
        save.parentVersion = version.version
        save.phase = version.phase.isEmpty ? nil : version.phase
        save.status = version.status.isEmpty ? nil : version.status
        save.progress = version.progress
        var metadata = JSONObjectText()
        metadata.add("quarantine_id", id)
        save.metadata = Array(metadata.text.utf8)
        save.idempotencyKey = idempotencyKey
        return save
    }
}

package struct GetQuarantinedCommand: Sendable {
    package var tenant: String
    package var id: String

    package init(tenant: String, id: String) {
        self.tenant = tenant
        self.id = id
    }
}
