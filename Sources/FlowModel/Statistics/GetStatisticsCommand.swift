/// Figures about a tenant's flows: totals, and the activity in a window of time up to now.
public struct GetStatisticsCommand: Sendable {
    /// The allowed lengths of the window, in seconds.
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

/// The result of `GetStatisticsCommand`. Counts are complete, or extrapolated from the shares that it names.
public struct FlowStatistics: Sendable, Equatable {
    /// The number of flows that have a value.
    public struct Count: Sendable, Equatable {
        public var value: String
        public var flows: Int64
    }

    /// Figures from the versions made in the window.
    public struct Activity: Sendable, Equatable {
        /// Flows with such a version.
        public var activeFlows: Int64 = 0
        public var versions: Int64 = 0
        /// Bytes of their states, as sent and as stored.
        public var stateBytes: Int64 = 0
        public var storedBytes: Int64 = 0
        public var phasesCompleted: Int64 = 0
        public var errorsReported: Int64 = 0
        public var recoveries: Int64 = 0
        /// Flows with a reported error.
        public var failedFlows: Int64 = 0
        /// Failed flows that continued after the last error: were recovered, made a transition, or completed a phase.
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
        /// Flows that are in the phase now.
        public var flows: Int64 = 0
        /// How often the phase was entered, and left, in the window.
        public var entries: Int64 = 0
        public var exits: Int64 = 0
        /// Of flows that left the phase in the window; nil: not known of any.
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
        /// Violations in saves that were refused, and in saves that were accepted.
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
    /// Bytes of all states, as sent and as stored.
    public var stateBytes: Int64 = 0
    public var storedBytes: Int64 = 0
    public var byStatus: [Count] = []
    public var byType: [FlowType] = []
    public var activity = Activity()
    public var ruleFailures: [RuleFailures] = []
    /// The shares that were read: of the flows, of the versions, and of the flows active in the window.
    public var flowSample = 1.0
    public var storageSample = 1.0
    public var activitySample = 1.0

    public var since: Timestamp { Timestamp(microseconds: time.microseconds - windowSeconds * 1_000_000) }
}
