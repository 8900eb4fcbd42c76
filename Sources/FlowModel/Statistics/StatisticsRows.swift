/// Figures as read from the database, before they are extrapolated and sorted.
public enum StatisticsRows {
    /// Sizes, without counting.
    public struct Sizes: Sendable, Equatable {
        public var time: Timestamp
        /// Rows of all tenants together, as last estimated.
        public var flows: Int64
        public var checkpoints: Int64
        /// Pages of all versions of all tenants.
        public var versionPages: Int64
        /// Rows of the tenant, or one more than `StatisticsBudget.smallTenant`.
        public var tenantFlows: Int64
        public var tenantCheckpoints: Int64

        public init(
            time: Timestamp, flows: Int64, checkpoints: Int64, versionPages: Int64, tenantFlows: Int64, tenantCheckpoints: Int64
        ) {
            self.time = time
            self.flows = flows
            self.checkpoints = checkpoints
            self.versionPages = versionPages
            self.tenantFlows = tenantFlows
            self.tenantCheckpoints = tenantCheckpoints
        }
    }

    /// Heads of flows with the same type, phase and status.
    public struct Heads: Sendable, Equatable {
        public var flowType = ""
        public var phase = ""
        public var status = ""
        public var flows: Int64 = 0
        public var deletedFlows: Int64 = 0
        public var createdFlows: Int64 = 0
        /// The sum of their latest version numbers: so many versions were made.
        public var versions: Int64 = 0
        /// The same for flows that changed in the window.
        public var activeVersions: Int64 = 0
        /// Whether versions of any of them were pruned.
        public var arePruned = false

        public init() {}
    }

    public struct Storage: Sendable, Equatable {
        public var versions: Int64
        public var stateBytes: Int64
        public var storedBytes: Int64

        public init(versions: Int64, stateBytes: Int64, storedBytes: Int64) {
            self.versions = versions
            self.stateBytes = stateBytes
            self.storedBytes = storedBytes
        }
    }

    /// Figures from the versions made in the window.
    public struct Activity: Sendable, Equatable {
        public var flowType: String
        /// nil: in all phases.
        public var phase: String?
        public var counts: FlowStatistics.Activity

        public init(flowType: String, phase: String?, counts: FlowStatistics.Activity) {
            self.flowType = flowType
            self.phase = phase
            self.counts = counts
        }
    }

    /// Entries into one phase, and exits from it.
    public struct Stays: Sendable, Equatable {
        public var flowType: String
        public var phase: String
        public var entries: Int64
        public var exits: Int64
        public var time: FlowStatistics.TimeInPhase?

        public init(flowType: String, phase: String, entries: Int64, exits: Int64, time: FlowStatistics.TimeInPhase?) {
            self.flowType = flowType
            self.phase = phase
            self.entries = entries
            self.exits = exits
            self.time = time
        }
    }

    /// All rows but the sizes.
    public struct Totals: Sendable, Equatable {
        public var total = Heads()
        public var heads: [Heads] = []
        public var checkpoints: Int64 = 0
        public var storage = Storage(versions: 0, stateBytes: 0, storedBytes: 0)
        public var activities: [Activity] = []
        public var stays: [Stays] = []
        public var ruleFailures: [FlowStatistics.RuleFailures] = []

        public init() {}
    }
}
