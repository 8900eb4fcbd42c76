/// Figures as read from the database, before they are extrapolated and sorted.
package enum StatisticsRows {
    /// Sizes, without counting.
    package struct Sizes: Sendable, Equatable {
        package var time: Timestamp
        /// Rows of all tenants together, as last estimated.
        package var flows: Int64
        package var checkpoints: Int64
        /// Pages of all versions of all tenants.
        package var versionPages: Int64
        /// Rows of the tenant, or one more than `StatisticsBudget.smallTenant`.
        package var tenantFlows: Int64
        package var tenantCheckpoints: Int64

        package init(
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
    package struct Heads: Sendable, Equatable {
        package var flowType = ""
        package var phase = ""
        package var status = ""
        package var flows: Int64 = 0
        package var deletedFlows: Int64 = 0
        package var createdFlows: Int64 = 0
        /// The sum of their latest version numbers: so many versions were made.
        package var versions: Int64 = 0
        /// The same for flows that changed in the window.
        package var activeVersions: Int64 = 0
        /// Whether versions of any of them were pruned.
        package var arePruned = false

        package init() {}
    }

    package struct Storage: Sendable, Equatable {
        package var versions: Int64
        package var stateBytes: Int64
        package var storedBytes: Int64

        package init(versions: Int64, stateBytes: Int64, storedBytes: Int64) {
            self.versions = versions
            self.stateBytes = stateBytes
            self.storedBytes = storedBytes
        }
    }

    /// Figures from the versions made in the window.
    package struct Activity: Sendable, Equatable {
        package var flowType: String
        /// nil: in all phases.
        package var phase: String?
        package var counts: FlowStatistics.Activity

        package init(flowType: String, phase: String?, counts: FlowStatistics.Activity) {
            self.flowType = flowType
            self.phase = phase
            self.counts = counts
        }
    }

    /// Entries into one phase, and exits from it.
    package struct Stays: Sendable, Equatable {
        package var flowType: String
        package var phase: String
        package var entries: Int64
        package var exits: Int64
        package var time: FlowStatistics.TimeInPhase?

        package init(flowType: String, phase: String, entries: Int64, exits: Int64, time: FlowStatistics.TimeInPhase?) {
            self.flowType = flowType
            self.phase = phase
            self.entries = entries
            self.exits = exits
            self.time = time
        }
    }

    /// All rows but the sizes.
    package struct Totals: Sendable, Equatable {
        package var total = Heads()
        package var heads: [Heads] = []
        package var checkpoints: Int64 = 0
        package var storage = Storage(versions: 0, stateBytes: 0, storedBytes: 0)
        package var activities: [Activity] = []
        package var stays: [Stays] = []
        package var ruleFailures: [FlowStatistics.RuleFailures] = []

        package init() {}
    }
}
