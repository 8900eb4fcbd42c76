/// Selects a version of a flow.
public enum LoadSelector: Sendable, Equatable {
    case latest
    case version(FlowVersion)
    /// A checkpoint's name or id.
    case checkpoint(String)
    /// The newest version with this label.
    case label(String)
    /// The newest version at this time or before it.
    case time(Timestamp)
}

/// Reads one version with its state. Reading never changes anything.
///
/// A deleted flow is `flowNotFound(deleted: true)` for `latest`; every other selector still reads its versions, since they are the
/// audit trail.
public struct LoadCommand: Sendable {
    public var key: FlowKey
    public var selector: LoadSelector
    /// The version that the client has: if it is the selected one, its state is not read.
    public var ifVersionNot: FlowVersion?

    public init(key: FlowKey, selector: LoadSelector = .latest, ifVersionNot: FlowVersion? = nil) {
        self.key = key
        self.selector = selector
        self.ifVersionNot = ifVersionNot
    }
}

/// Indirect: it has two dozen fields and is passed on several times.
public indirect enum LoadOutcome: Sendable, Equatable {
    case snapshot(Snapshot)
    /// The selected version is `ifVersionNot`.
    case unchanged(FlowHead, VersionRecord)
}

/// The versions of one flow, deleted or not.
public struct ListVersionsCommand: Sendable {
    public var key: FlowKey
    public var newestFirst: Bool
    /// 0 means the default.
    public var pageSize: Int
    public var pageToken: PageToken?

    public init(key: FlowKey, newestFirst: Bool = true, pageSize: Int = 0, pageToken: PageToken? = nil) {
        self.key = key
        self.newestFirst = newestFirst
        self.pageSize = pageSize
        self.pageToken = pageToken
    }
}

/// The checkpoints of one flow, newest first.
public struct ListCheckpointsCommand: Sendable {
    public var key: FlowKey
    /// 0 means the default.
    public var pageSize: Int
    public var pageToken: PageToken?

    public init(key: FlowKey, pageSize: Int = 0, pageToken: PageToken? = nil) {
        self.key = key
        self.pageSize = pageSize
        self.pageToken = pageToken
    }
}

/// A filter of a list of flows: every field that is set must match.
public struct FlowFilter: Sendable, Equatable {
    public var flowType: String?
    public var phase: String?
    public var status: String?
    /// The flow has all of these, with these values.
    public var labels: Labels = .none
    public var created = TimeRange()
    public var updated = TimeRange()
    /// By bytes; empty matches every id.
    public var flowIDPrefix = ""
    public var includeDeleted = false

    public init() {}
}

/// The order of a list of flows; ties are ordered by flow id in the same direction. The numbers are those of the API.
public enum FlowOrder: Int64, Sendable, CaseIterable {
    case updatedDescending = 1
    case updatedAscending = 2
    case createdDescending = 3
    case createdAscending = 4
    case flowIDAscending = 5
}

/// The flows of one tenant, a page at a time. A flow that moves in the order between two pages may be listed twice or not at all; any other
/// is listed exactly once.
public struct ListFlowsCommand: Sendable {
    public var tenant: String
    public var filter: FlowFilter
    public var order: FlowOrder
    /// 0 means the default.
    public var pageSize: Int
    public var pageToken: PageToken?

    public init(
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
