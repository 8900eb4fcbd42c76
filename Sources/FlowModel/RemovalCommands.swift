/// Deletes every flow that has all of these labels, in one commit. Returns the ids.
package struct DeleteFlowsCommand: Sendable {
    package var tenant: String
    package var labels: Labels
    package var actor: String
    /// More flows are refused; 0: the limit.
    package var atMost: Int

    package init(tenant: String, labels: Labels, actor: String, atMost: Int = 0) {
        self.tenant = tenant
        self.labels = labels
        self.actor = actor
        self.atMost = atMost
    }
}

/// Removes versions: they are put in quarantine, and neither loaded nor listed any more. If the latest version of a flow is among them, the
/// newest that is left is written again as its next version, with its label; if none is left, the flow is deleted. Versions that a checkpoint
/// points at stay, and so do those of earlier lives.
package struct DeleteVersionsCommand: Sendable {
    package enum Subject: Sendable, Equatable {
        case flow(String)
        /// Flows that have all of these labels and are not deleted, one commit each.
        case flows(Labels)
    }

    package enum Selection: Sendable, Equatable {
        /// Those that have one of these values of a tag.
        case tagged(name: String, values: [String])
        /// Those with a label, except the ones with the greatest so many labels, and with these labels.
        case allBut(newest: Int, labels: [String])
    }

    package var tenant: String
    package var subject: Subject
    package var selection: Selection
    package var actor: String
    /// Nothing is removed, only counted.
    package var isDryRun: Bool

    package init(tenant: String, subject: Subject, selection: Selection, actor: String, isDryRun: Bool = false) {
        self.tenant = tenant
        self.subject = subject
        self.selection = selection
        self.actor = actor
        self.isDryRun = isDryRun
    }
}

extension StateCheck {
    package func check(_ command: DeleteFlowsCommand) throws(StateError) {
        try command.labels.check(limits: limits)
        if command.labels.isEmpty { throw .invalidArgument(field: "labels", message: "must not be empty") }
        guard (0...limits.flowsPerCall).contains(command.atMost) else {
            throw .invalidArgument(field: "at_most", message: "is \(command.atMost); it must be between 0 and \(limits.flowsPerCall)")
        }
    }

    package func check(_ command: DeleteVersionsCommand) throws(StateError) {
        if case .flows(let labels) = command.subject {
            try labels.check(limits: limits, field: "flow_labels")
            if labels.isEmpty { throw .invalidArgument(field: "flow_id", message: "give this or flow_labels") }
        }
        switch command.selection {
        case .tagged(let name, let values):
            try NameRule.check(name, field: "tag", maximumBytes: limits.labelBytes)
            try check(values, "tag_values", bytes: limits.labelBytes, mayBeEmpty: true)
        case .allBut(let newest, let labels):
            if newest < 0 { throw .invalidArgument(field: "keep.newest", message: "is \(newest); it must not be negative") }
            try check(labels, "keep.labels", bytes: limits.idBytes, mayBeEmpty: false)
        }
    }

    private func check(_ names: [String], _ field: String, bytes: Int, mayBeEmpty: Bool) throws(StateError) {
        if names.count > limits.maximumPageSize {
            throw .invalidArgument(field: field, message: "has \(names.count) entries, the limit is \(limits.maximumPageSize)")
        }
        for (place, name) in names.enumerated() {
            try NameRule.check(name, field: "\(field)[\(place)]", maximumBytes: bytes, mayBeEmpty: mayBeEmpty)
        }
    }
}
