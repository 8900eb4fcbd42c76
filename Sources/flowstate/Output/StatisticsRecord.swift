import FlowStateClient

// Statistics as JSON: the contract's names, and seconds for lengths of time.

extension Record {
    init(_ statistics: GetStatisticsResponse) {
        self.init([
            ("time", .time(statistics.time)), ("since", .time(statistics.since)), ("flows", .integer(statistics.flows)),
            ("deleted_flows", .integer(statistics.deletedFlows)), ("created_flows", .integer(statistics.createdFlows)),
            ("versions", .integer(statistics.versions)), ("checkpoints", .integer(statistics.checkpoints)),
            ("state_bytes", .integer(statistics.stateBytes)), ("stored_bytes", .integer(statistics.storedBytes)),
            ("activity", .record(Record(statistics.activity ?? FlowActivity()))),
            ("by_status", .records(statistics.byStatus.map(Record.init))), ("by_type", .records(statistics.byType.map(Record.init))),
            ("validation_failures", .records(statistics.validationFailures.map(Record.init))),
            ("flow_sample", .number(statistics.flowSample)), ("storage_sample", .number(statistics.storageSample)),
            ("activity_sample", .number(statistics.activitySample)),
        ])
    }

    private init(_ count: FlowCount) { self.init([("value", .string(count.value)), ("flows", .integer(count.flows))]) }

    private init(_ type: TypeStatistics) {
        self.init([
            ("flow_type", .string(type.flowType)), ("flows", .integer(type.flows)), ("deleted_flows", .integer(type.deletedFlows)),
            ("created_flows", .integer(type.createdFlows)), ("by_status", .records(type.byStatus.map(Record.init))),
            ("by_phase", .records(type.byPhase.map(Record.init))), ("activity", .record(Record(type.activity ?? FlowActivity()))),
        ])
    }

    private init(_ phase: PhaseStatistics) {
        let time = phase.timeInPhase
        self.init([
            ("phase", .string(phase.phase)), ("flows", .integer(phase.flows)), ("entries", .integer(phase.entries)),
            ("exits", .integer(phase.exits)), ("exits_per_second", .number(phase.exitsPerSecond)),
            ("p50_seconds", .seconds(time?.p50)), ("p95_seconds", .seconds(time?.p95)), ("p99_seconds", .seconds(time?.p99)),
            ("activity", .record(Record(phase.activity ?? FlowActivity()))),
        ])
    }

    private init(_ activity: FlowActivity) {
        self.init([
            ("active_flows", .integer(activity.activeFlows)), ("versions", .integer(activity.versions)),
            ("versions_per_second", .number(activity.versionsPerSecond)), ("state_bytes", .integer(activity.stateBytes)),
            ("stored_bytes", .integer(activity.storedBytes)), ("phases_completed", .integer(activity.phasesCompleted)),
            ("errors_reported", .integer(activity.errorsReported)), ("recoveries", .integer(activity.recoveries)),
            ("failed_flows", .integer(activity.failedFlows)), ("failure_rate", .number(activity.failureRate)),
            ("recovered_flows", .integer(activity.recoveredFlows)), ("recovery_rate", .number(activity.recoveryRate)),
        ])
    }

    init(_ failures: ValidationFailures) {
        self.init([
            ("flow_type", .string(failures.flowType)), ("rule", .string(failures.rule)), ("refused", .integer(failures.refused)),
            ("warned", .integer(failures.warned)),
        ])
    }
}

extension OutputValue {
    fileprivate static func seconds(_ duration: Duration?) -> OutputValue { duration.map { .number($0 / .seconds(1)) } ?? .null }
}
