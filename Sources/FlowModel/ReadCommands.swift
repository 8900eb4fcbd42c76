import JSON

/// Selects a version of a flow. Names are equal when their bytes are.
package enum LoadSelector: Sendable, Hashable {
    case latest
    case version(FlowVersion)
    /// A checkpoint's name or id.
    case checkpoint(String)
    /// The newest version with this label.
    case label(String)
    /// The version with the greatest label, by bytes; of several with it the newest.
    case greatestLabel
    /// The newest version at this time or before it.
    case time(Timestamp)

    package static func == (left: LoadSelector, right: LoadSelector) -> Bool {
        switch (left, right) {
        case (.latest, .latest), (.greatestLabel, .greatestLabel): true
        case (.version(let left), .version(let right)): left == right
        case (.checkpoint(let left), .checkpoint(let right)), (.label(let left), .label(let right)): left.hasSameBytes(as: right)
        case (.time(let left), .time(let right)): left == right
        default: false
        }
    }

    package func hash(into hasher: inout Hasher) {
        switch self {
        case .latest: break
        case .greatestLabel: hasher.combine(0)
        case .version(let version): hasher.combine(version)
        case .checkpoint(let name), .label(let name): name.hashBytes(into: &hasher)
        case .time(let time): hasher.combine(time.microseconds)
        }
    }
}

/// Reads one version with its state. Reading never changes anything.
///
/// A deleted flow is `flowNotFound(deleted: true)` for `latest`; every other selector still reads its versions, since they are the
/// audit trail.
package struct LoadCommand: Sendable {
    package var key: FlowKey
    package var selector: LoadSelector
    /// The version that the client has: if it is the selected one, its state is not read.
    package var ifVersionNot: FlowVersion?
    /// Also reads the pending writes of the version.
    package var includesWrites = false
    /// Also finds a version that was removed on request.
    package var findsRemoved = false
    /// Also finds a version whose state is stored in parts: its snapshot has those instead of the state. Otherwise that is `tooLarge`.
    package var findsParts = false
    /// Also renews the flow's time to live, if it has one.
    package var renewsTTL = false
    /// How long to wait for another latest version while it is `ifVersionNot`.
    package var waitMilliseconds: Int64?

    package init(key: FlowKey, selector: LoadSelector = .latest, ifVersionNot: FlowVersion? = nil) {
        self.key = key
        self.selector = selector
        self.ifVersionNot = ifVersionNot
    }
}

/// Indirect: it has two dozen fields and is passed on several times.
package indirect enum LoadOutcome: Sendable, Equatable {
    case snapshot(Snapshot)
    /// The selected version is `ifVersionNot`.
    case unchanged(FlowHead, VersionRecord)
    /// One of the others, with the first page of the version's writes.
    case withWrites(LoadOutcome, Page<StoredWrite>)
}

/// The checkpoints of one flow, newest first.
package struct ListCheckpointsCommand: Sendable {
    package var key: FlowKey
    /// 0 means the default.
    package var pageSize: Int
    package var pageToken: PageToken?

    package init(key: FlowKey, pageSize: Int = 0, pageToken: PageToken? = nil) {
        self.key = key
        self.pageSize = pageSize
        self.pageToken = pageToken
    }
}

/// A filter of a list of flows: every field that is set must match.
package struct FlowFilter: Sendable, Equatable {
    package var flowType: String?
    package var phase: String?
    package var status: String?
    /// The flow has all of these, with these values.
    package var labels: Labels = .none
    package var created = TimeRange()
    package var updated = TimeRange()
    /// By bytes; empty matches every id.
    package var flowIDPrefix = ""
    package var includeDeleted = false
    /// Only those whose time limit has passed.
    package var isOverdue = false

    package init() {}
}

/// The order of a list of flows; ties are ordered by flow id in the same direction. The numbers are those of the API.
package enum FlowOrder: Int64, Sendable, CaseIterable {
    case updatedDescending = 1
    case updatedAscending = 2
    case createdDescending = 3
    case createdAscending = 4
    case flowIDAscending = 5
}

/// The flows of one tenant, a page at a time. A flow that moves in the order between two pages may be listed twice or not at all; any other
/// is listed exactly once.
package struct ListFlowsCommand: Sendable {
    package var tenant: String
    package var filter: FlowFilter
    package var order: FlowOrder
    package var includesStates = false
    /// 0 means the default.
    package var pageSize: Int
    package var pageToken: PageToken?

    package init(
        tenant: String, filter: FlowFilter = FlowFilter(), order: FlowOrder = .updatedDescending, pageSize: Int = 0,
        pageToken: PageToken? = nil
    ) {
        self.tenant = tenant
        self.filter = filter
        self.order = order
        self.pageSize = pageSize
        self.pageToken = pageToken
    }
}

/// A flow in a list.
package struct ListedFlow: Sendable, Equatable {
    package var head: FlowHead
    /// The version of the head with its state, if it was asked for; nil of a deleted flow.
    package var snapshot: Snapshot?

    package init(head: FlowHead, snapshot: Snapshot? = nil) {
        self.head = head
        self.snapshot = snapshot
    }
}
