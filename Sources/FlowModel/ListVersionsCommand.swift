import JSON

/// The order of a list of versions. The numbers are those of the API.
package enum VersionOrder: Int64, Sendable, CaseIterable {
    case newestFirst = 1
    case oldestFirst = 2
    /// By label, the greatest first, names by their bytes; of one label the newest first. Versions without a label are left out.
    case labelDescending = 3
}

/// Which versions a list has: every condition must hold.
package struct VersionFilter: Sendable, Equatable {
    /// Only labels before this one, by bytes.
    package var labelBefore: String?
    /// Of several versions with one label only the newest.
    package var isNewestOfLabel = false
    /// Only versions since the flow was created, or revived last.
    package var isOfPresentLife = false
    /// A JSON object, each member of which the version's metadata has; or empty.
    package var metadata: [UInt8] = []

    package init() {}
}

/// The versions of one flow, deleted or not; or of the flows with some labels.
package struct ListVersionsCommand: Sendable {
    package enum Subject: Sendable, Equatable {
        case flow(String)
        /// Flows that have all of these labels and are not deleted, in order of version label.
        case flows(Labels)
        /// The versions from which the version with this label was made, one from another, nearest first.
        case ancestors(flowID: String, label: String)
    }

    package var tenant: String
    package var subject: Subject
    package var order: VersionOrder
    package var filter = VersionFilter()
    package var includesStates = false
    package var includesWrites = false
    /// Only the writes of these channels; empty: all.
    package var writeChannels: [String] = []
    /// 0 means the default.
    package var pageSize: Int
    package var pageToken: PageToken?

    package init(
        tenant: String, subject: Subject, order: VersionOrder = .newestFirst, pageSize: Int = 0, pageToken: PageToken? = nil
    ) {
        self.tenant = tenant
        self.subject = subject
        self.order = order
        self.pageSize = pageSize
        self.pageToken = pageToken
    }

    package init(key: FlowKey, newestFirst: Bool = true, pageSize: Int = 0, pageToken: PageToken? = nil) {
        self.init(
            tenant: key.tenant, subject: .flow(key.flowID), order: newestFirst ? .newestFirst : .oldestFirst, pageSize: pageSize,
            pageToken: pageToken)
    }
}

/// A version in a list.
package struct ListedVersion: Sendable, Equatable {
    package var flowID: String
    package var record: VersionRecord
    /// With its state or its writes, if they were asked for.
    package var loaded: LoadOutcome?

    package init(flowID: String, record: VersionRecord, loaded: LoadOutcome? = nil) {
        self.flowID = flowID
        self.record = record
        self.loaded = loaded
    }

    package var version: FlowVersion { record.version }
}

extension VersionFilter {
    /// - Throws: `invalidArgument`.
    package func check(limits: Limits) throws(StateError) {
        if let labelBefore {
            try NameRule.check(labelBefore, field: "label_before", maximumBytes: limits.idBytes)
        }
        if metadata.count > limits.metadataBytes {
            throw .tooLarge(what: "metadata_filter", size: metadata.count, limit: limits.metadataBytes)
        }
    }

    /// The metadata that a version must have, read once; nil: any.
    ///
    /// - Throws: `invalidArgument`.
    package func members(limits: Limits, budget: WorkBudget) throws(StateError) -> JSONDocument? {
        if metadata.isEmpty { return nil }
        let document = try StateError.counting { () throws(WorkStopped) in
            try JSONDocument.parse(metadata, maximumDepth: limits.jsonDepth, budget).value
        }
        guard let document, document.root.kind == .object else {
            throw .invalidArgument(field: "metadata_filter", message: "must be a JSON object")
        }
        return document
    }
}

extension JSONDocument {
    /// Whether the metadata of a version has all members of this object, with equal values.
    package func isPart(of metadata: [UInt8], limits: Limits, budget: WorkBudget) throws(StateError) -> Bool {
        try StateError.counting { () throws(WorkStopped) in
            guard let given = try JSONDocument.parse(metadata, maximumDepth: limits.jsonDepth, budget).value else { return false }
            return try given.root.hasMembers(of: root, budget)
        }
    }
}
