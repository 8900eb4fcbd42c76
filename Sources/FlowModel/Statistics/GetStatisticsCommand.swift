/// Figures about a tenant's flows: what is there, and what was done in the last stretch of time.
public struct GetStatisticsCommand: Sendable {
    /// Of the window, in seconds.
    public static let windows: ClosedRange<Int64> = 60...(31 * 86_400)
    public static let defaultWindow: Int64 = 86_400

    public var tenant: String
    /// nil: all.
    public var flowType: String?
    public var windowSeconds: Int64

    public init(tenant: String, flowType: String? = nil, windowSeconds: Int64 = defaultWindow) {
        self.tenant = tenant
        self.flowType = flowType
        self.windowSeconds = windowSeconds
    }

    /// - Throws: `StateError.invalidArgument`.
    public func check(limits: Limits) throws(StateError) {
        try NameRule.check(tenant, field: "tenant", maximumBytes: limits.idBytes)
        if let flowType { try NameRule.check(flowType, field: "flow_type", maximumBytes: limits.idBytes) }
        guard Self.windows.contains(windowSeconds) else {
            throw .invalidArgument(field: "window", message: "must be from 1 minute to 31 days")
        }
    }
}

/// What `GetStatisticsCommand` answers. Counts are of everything, or extrapolated from the shares that it names.
public struct FlowStatistics: Sendable, Equatable {
    /// How many flows have a value.
    public struct Count: Sendable, Equatable {
        public var value: String
        public var flows: Int64
    }

    /// What versions of the window say.
    public struct Activity: Sendable, Equatable {
        /// Flows that have one.
        public var activeFlows: Int64 = 0
        public var versions: Int64 = 0
        /// Of their states, as they were sent and as they are stored.
        public var stateBytes: Int64 = 0
        public var storedBytes: Int64 = 0
        public var phasesCompleted: Int64 = 0
        public var errorsReported: Int64 = 0
        public var recoveries: Int64 = 0
        /// Flows with an error reported.
        public var failedFlows: Int64 = 0
        /// Those of them that went on after the last one: were recovered, made a transition, or completed a phase.
        public var recoveredFlows: Int64 = 0

        public init() {}

        public var failureRate: Double { Self.share(failedFlows, of: activeFlows) }
        public var recoveryRate: Double { Self.share(recoveredFlows, of: failedFlows) }

        private static func share(_ part: Int64, of whole: Int64) -> Double { whole == 0 ? 0 : Double(part) / Double(whole) }
    }

    /// Percentiles, in seconds.
    public struct TimeInPhase: Sendable, Equatable {
        public var p50: Double
        public var p95: Double
        public var p99: Double

        public init(p50: Double, p95: Double, p99: Double) {
            self.p50 = p50
            self.p95 = p95
            self.p99 = p99
        }
    }

    public struct Phase: Sendable, Equatable {
        public var name: String
        /// Flows that are in it now.
        public var flows: Int64 = 0
        /// How often it was entered, and left, in the window.
        public var entries: Int64 = 0
        public var exits: Int64 = 0
        /// Of those who left it in the window; nil: of none it is known.
        public var time: TimeInPhase?
        public var activity = Activity()

        public init(name: String) { self.name = name }
    }

    public struct FlowType: Sendable, Equatable {
        public var name: String
        public var flows: Int64 = 0
        public var deletedFlows: Int64 = 0
        public var createdFlows: Int64 = 0
        public var byStatus: [Count] = []
        public var byPhase: [Phase] = []
        public var activity = Activity()

        public init(name: String) { self.name = name }
    }

    /// How often saves broke a rule.
    public struct RuleFailures: Sendable, Equatable {
        public var flowType: String
        public var rule: String
        /// Violations in saves that were refused, and in those that were let through.
        public var refused: Int64
        public var warned: Int64

        public init(flowType: String, rule: String, refused: Int64, warned: Int64) {
            self.flowType = flowType
            self.rule = rule
            self.refused = refused
            self.warned = warned
        }
    }

    public var time: Timestamp
    public var windowSeconds: Int64
    public var flows: Int64 = 0
    public var deletedFlows: Int64 = 0
    public var createdFlows: Int64 = 0
    public var versions: Int64 = 0
    public var checkpoints: Int64 = 0
    /// Of all states, as they were sent and as they are stored.
    public var stateBytes: Int64 = 0
    public var storedBytes: Int64 = 0
    public var byStatus: [Count] = []
    public var byType: [FlowType] = []
    public var activity = Activity()
    public var ruleFailures: [RuleFailures] = []
    /// Shares of the flows, of the versions, and of the flows active in the window that were looked at.
    public var flowSample = 1.0
    public var storageSample = 1.0
    public var activitySample = 1.0

    public var since: Timestamp { Timestamp(microseconds: time.microseconds - windowSeconds * 1_000_000) }
}
