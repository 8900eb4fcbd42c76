import FlowStateClient

/// Statistics for people: a few lines of totals, then one table each of types, statuses, phases and rules.
struct StatisticsView {
    private let statistics: GetStatisticsResponse

    init(_ statistics: GetStatisticsResponse) { self.statistics = statistics }

    var text: String {
        var sections = [totals, types]
        sections.append(table("", [.left("status"), .right("flows")], statistics.byStatus.map(status)))
        sections.append(phases)
        sections.append(
            table(
                "Saves that broke rules", [.left("type"), .left("rule"), .right("refused"), .right("warned")],
                statistics.validationFailures.map { failures in
                    Record([
                        ("type", .string(Self.name(failures.flowType))), ("rule", .string(failures.rule)),
                        ("refused", .string(HumanText.count(failures.refused))), ("warned", .string(HumanText.count(failures.warned))),
                    ])
                }))
        sections.append(remark)
        return sections.filter { !$0.isEmpty }.joined(separator: "\n")
    }

    private var totals: String {
        let activity = statistics.activity ?? FlowActivity()
        return Table.lines(
            Record([
                ("flows", .string("\(HumanText.count(statistics.flows)) (\(HumanText.count(statistics.deletedFlows)) more deleted)")),
                ("versions", .string(HumanText.count(statistics.versions))),
                ("checkpoints", .string(HumanText.count(statistics.checkpoints))),
                (
                    "states",
                    .string("\(HumanText.bytes(statistics.stateBytes)) sent, \(HumanText.bytes(statistics.storedBytes)) stored")
                ),
                ("since", .time(statistics.since)),
                (
                    "growth",
                    .string(
                        "\(HumanText.count(statistics.createdFlows)) flows, \(HumanText.count(activity.versions)) versions, "
                            + "\(HumanText.bytes(activity.stateBytes)) sent, \(HumanText.bytes(activity.storedBytes)) stored")
                ),
            ]))
    }

    private var types: String {
        table(
            "", [.left("type"), .right("flows"), .right("created")] + Self.activityColumns,
            statistics.byType.map { type in
                Record(
                    [
                        ("type", .string(Self.name(type.flowType))), ("flows", .string(HumanText.count(type.flows))),
                        ("created", .string(HumanText.count(type.createdFlows))),
                    ] + Self.activity(type.activity))
            })
    }

    private var phases: String {
        table(
            "",
            [
                .left("type"), .left("phase"), .right("flows"), .right("entered"), .right("left"), .right("p50"), .right("p95"),
                .right("p99"),
            ] + Self.activityColumns,
            statistics.byType.flatMap { type in
                type.byPhase.map { phase in
                    let time = phase.timeInPhase
                    return Record(
                        [
                            ("type", .string(Self.name(type.flowType))), ("phase", .string(phase.phase)),
                            ("flows", .string(HumanText.count(phase.flows))), ("entered", .string(HumanText.count(phase.entries))),
                            ("left", .string(HumanText.count(phase.exits))), ("p50", .string(HumanText.duration(time?.p50))),
                            ("p95", .string(HumanText.duration(time?.p95))), ("p99", .string(HumanText.duration(time?.p99))),
                        ] + Self.activity(phase.activity))
                }
            })
    }

    private static let activityColumns: [Table.Column] = [
        .right("versions"), .right("per_second"), .right("completed"), .right("errors"), .right("failed"), .right("recovered"),
    ]

    private static func activity(_ activity: FlowActivity?) -> [Record.Field] {
        let activity = activity ?? FlowActivity()
        return [
            ("versions", .string(HumanText.count(activity.versions))),
            ("per_second", .string(HumanText.rate(activity.versionsPerSecond))),
            ("completed", .string(HumanText.count(activity.phasesCompleted))),
            ("errors", .string(HumanText.count(activity.errorsReported))),
            ("failed", .string(HumanText.share(activity.failureRate))),
            ("recovered", .string(activity.failedFlows == 0 ? "" : HumanText.share(activity.recoveryRate))),
        ]
    }

    private func status(_ count: FlowCount) -> Record {
        Record([("status", .string(Self.name(count.value))), ("flows", .string(HumanText.count(count.flows)))])
    }

    private static func name(_ name: String) -> String { name.isEmpty ? "-" : name }

    private func table(_ title: String, _ columns: [Table.Column], _ rows: [Record]) -> String {
        if rows.isEmpty { return "" }
        var table = Table(columns)
        return (title.isEmpty ? "" : title + ":\n") + table.lines(rows)
    }

    private var remark: String {
        let samples = [
            ("flows", statistics.flowSample), ("stored states", statistics.storageSample), ("active flows", statistics.activitySample),
        ].filter { $0.1 < 1 }
        if samples.isEmpty { return "" }
        return "Extrapolated from " + samples.map { "\(HumanText.share($0.1)) of the \($0.0)" }.joined(separator: ", ") + ".\n"
    }
}
