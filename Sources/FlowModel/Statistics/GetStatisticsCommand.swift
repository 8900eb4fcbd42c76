/// Figures about a tenant's flows: totals, and the activity in a window of time up to now.
package struct GetStatisticsCommand: Sendable {
    /// The allowed lengths of the window, in seconds.
    package static let windows: ClosedRange<Int64> = 60...(31 * 86_400)
    package static let defaultWindow: Int64 = 86_400

    package var tenant: String
    /// nil: all.
    package var flowType: String?
    package var windowSeconds: Int64

    package init(tenant: String, flowType: String? = nil, windowSeconds: Int64 = defaultWindow) {
        self.tenant = tenant
        self.flowType = flowType
        self.windowSeconds = windowSeconds
    }

    /// - Throws: `StateError.invalidArgument`.
    package func check(limits: Limits) throws(StateError) {
        try NameRule.check(tenant, field: "tenant", maximumBytes: limits.idBytes)
        if let flowType { try NameRule.check(flowType, field: "flow_type", maximumBytes: limits.idBytes) }
        guard Self.windows.contains(windowSeconds) else {
            throw .invalidArgument(field: "window", message: "must be from 1 minute to 31 days")
        }
    }
}

/// The result of `GetStatisticsCommand`. Counts are complete, or extrapolated from the shares that it names.
package struct FlowStatistics: Sendable, Equatable {
    /// The number of flows that have a value.
    package struct Count: Sendable, Equatable {
        package var value: String
        package var flows: Int64
    }

    /// Figures from the versions made in the window.
    package struct Activity: Sendable, Equatable {
        /// Flows with such a version.
        package var activeFlows: Int64 = 0
        package var versions: Int64 = 0
        /// Bytes of their states, as sent and as stored.
        package var stateBytes: Int64 = 0
        package var storedBytes: Int64 = 0
        package var phasesCompleted: Int64 = 0
        package var errorsReported: Int64 = 0
        package var recoveries: Int64 = 0
        /// Flows with a reported error.
        package var failedFlows: Int64 = 0
        /// Failed flows that continued after the last error: were recovered, made a transition, or completed a phase.
        package var recoveredFlows: Int64 = 0

        package init() {}

        package var failureRate: Double { Self.share(failedFlows, of: activeFlows) }
        package var recoveryRate: Double { Self.share(recoveredFlows, of: failedFlows) }

        private static func share(_ part: Int64, of whole: Int64) -> Double { whole == 0 ? 0 : Double(part) / Double(whole) }
    }

    /// Percentiles, in seconds.
    package struct TimeInPhase: Sendable, Equatable {
        package var p50: Double
        package var p95: Double
        package var p99: Double

        package init(p50: Double, p95: Double, p99: Double) {
            self.p50 = p50
            self.p95 = p95
            self.p99 = p99
        }
    }

    package struct Phase: Sendable, Equatable {
        package var name: String
        /// Flows that are in the phase now.
        package var flows: Int64 = 0
        /// How often the phase was entered, and left, in the window.
        package var entries: Int64 = 0
        package var exits: Int64 = 0
        /// Of flows that left the phase in the window; nil: not known of any.
        package var time: TimeInPhase?
        package var activity = Activity()

        package init(name: String) { self.name = name }
    }

    package struct FlowType: Sendable, Equatable {
        package var name: String
        package var flows: Int64 = 0
        package var deletedFlows: Int64 = 0
        package var createdFlows: Int64 = 0
        package var byStatus: [Count] = []
        package var byPhase: [Phase] = []
        package var activity = Activity()

        package init(name: String) { self.name = name }
    }

    /// How often saves broke a rule.
    package struct RuleFailures: Sendable, Equatable {
        package var flowType: String
        package var rule: String
        /// Violations in saves that were refused, and in saves that were accepted.
        package var refused: Int64
        package var warned: Int64

        package init(flowType: String, rule: String, refused: Int64, warned: Int64) {
            self.flowType = flowType
            self.rule = rule
            self.refused = refused
            self.warned = warned
        }
    }

    package var time: Timestamp
    package var windowSeconds: Int64
    package var flows: Int64 = 0
    package var deletedFlows: Int64 = 0
    package var createdFlows: Int64 = 0
    package var versions: Int64 = 0
    package var checkpoints: Int64 = 0
    /// Bytes of all states, as sent and as stored.
    package var stateBytes: Int64 = 0
    package var storedBytes: Int64 = 0
    package var byStatus: [Count] = []
    package var byType: [FlowType] = []
    package var activity = Activity()
    package var ruleFailures: [RuleFailures] = []
    /// The shares that were read: of the flows, of the versions, and of the flows active in the window.
    package var flowSample = 1.0
    package var storageSample = 1.0
    package var activitySample = 1.0

    package var since: Timestamp { Timestamp(microseconds: time.microseconds - windowSeconds * 1_000_000) }
}
