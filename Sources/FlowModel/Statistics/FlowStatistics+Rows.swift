import JSON

extension FlowStatistics {
    package static let maximumTypes = 100
    /// The most statuses, and phases of a type.
    package static let maximumValues = 100

    /// Combines rows: extrapolates them from the shares that were read, and sorts the most frequent first.
    ///
    /// - Parameters:
    ///   - sampling: how `figures` were sampled.
    ///   - storageShare: `StatisticsSampling.storage`.
    ///   - hashBound: `StatisticsSampling.hashBound`.
    package init(
        _ command: GetStatisticsCommand, time: Timestamp, _ figures: StatisticsRows.Totals, _ sampling: StatisticsSampling,
        storageShare: Double, hashBound: Int64
    ) {
        self.time = time
        windowSeconds = command.windowSeconds
        flowSample = sampling.flows
        storageSample = storageShare
        activitySample = sampling.flows * Double(hashBound) / Double(Int64(1) << StatisticsSampling.hashBits)

        let total = figures.total
        flows = Self.extrapolate(total.flows, flowSample)
        deletedFlows = Self.extrapolate(total.deletedFlows, flowSample)
        createdFlows = Self.extrapolate(total.createdFlows, flowSample)
        checkpoints = Self.extrapolate(figures.checkpoints, sampling.checkpoints)
        ruleFailures = figures.ruleFailures
        byStatus = Self.counts(figures.heads, flowSample)
        setStorage(figures.storage, made: Self.extrapolate(total.versions, flowSample), arePruned: total.arePruned)
        setTypes(figures)
    }

    /// - Parameter made: the number of versions that all flows have had.
    private mutating func setStorage(_ storage: StatisticsRows.Storage, made: Int64, arePruned: Bool) {
        // Unless versions were pruned, their number is known: then their mean size is more precise than the share of the pages.
        let isNumberKnown = storageSample < 1 && !arePruned && storage.versions > 0
        let share = isNumberKnown ? Double(storage.versions) / Double(max(made, 1)) : storageSample
        versions = isNumberKnown ? made : Self.extrapolate(storage.versions, share)
        stateBytes = Self.extrapolate(storage.stateBytes, share)
        storedBytes = Self.extrapolate(storage.storedBytes, share)
    }

    private mutating func setTypes(_ figures: StatisticsRows.Totals) {
        var types = Table<FlowType>()
        for heads in figures.heads {
            types.change(heads.flowType, FlowType.init(name:)) { type in
                type.flows += heads.flows
                type.deletedFlows += heads.deletedFlows
                type.createdFlows += heads.createdFlows
            }
        }
        for row in figures.activities where row.phase == nil {
            let scaled = row.counts.extrapolated(activitySample)
            activity.add(scaled)
            types.change(row.flowType, FlowType.init(name:)) { $0.activity = scaled }
        }
        let heads = Dictionary(grouping: figures.heads) { Name($0.flowType) }
        let activities = Dictionary(grouping: figures.activities) { Name($0.flowType) }
        let stays = Dictionary(grouping: figures.stays) { Name($0.flowType) }
        byType = types.values.sorted { ($0.flows, $0.activity.versions) > ($1.flows, $1.activity.versions) }
            .prefix(Self.maximumTypes).map { type in
                let name = Name(type.name)
                var type = type
                type.byStatus = Self.counts(heads[name] ?? [], flowSample)
                type.byPhase = phases(heads[name] ?? [], activities[name] ?? [], stays[name] ?? [])
                type.flows = Self.extrapolate(type.flows, flowSample)
                type.deletedFlows = Self.extrapolate(type.deletedFlows, flowSample)
                type.createdFlows = Self.extrapolate(type.createdFlows, flowSample)
                return type
            }
    }

    /// The phases of one type.
    private func phases(
        _ heads: [StatisticsRows.Heads], _ activities: [StatisticsRows.Activity], _ stays: [StatisticsRows.Stays]
    ) -> [Phase] {
        var phases = Table<Phase>()
        for row in heads where !row.phase.isEmpty && row.flows > 0 {
            phases.change(row.phase, Phase.init(name:)) { $0.flows += row.flows }
        }
        for row in activities {
            guard let phase = row.phase, !phase.isEmpty else { continue }
            phases.change(phase, Phase.init(name:)) { $0.activity = row.counts.extrapolated(activitySample) }
        }
        for row in stays {
            phases.change(row.phase, Phase.init(name:)) { phase in
                phase.entries = Self.extrapolate(row.entries, activitySample)
                phase.exits = Self.extrapolate(row.exits, activitySample)
                phase.time = row.time
            }
        }
        return phases.values.sorted { ($0.flows, $0.entries) > ($1.flows, $1.entries) }.prefix(Self.maximumValues).map { phase in
            var phase = phase
            phase.flows = Self.extrapolate(phase.flows, flowSample)
            return phase
        }
    }

    private static func counts(_ heads: [StatisticsRows.Heads], _ share: Double) -> [Count] {
        var statuses = Table<Count>()
        for row in heads where row.flows > 0 {
            statuses.change(row.status, { Count(value: $0, flows: 0) }) { $0.flows += row.flows }
        }
        return statuses.values.sorted { $0.flows > $1.flows }.prefix(maximumValues).map { count in
            Count(value: count.value, flows: extrapolate(count.flows, share))
        }
    }

    fileprivate static func extrapolate(_ count: Int64, _ share: Double) -> Int64 {
        share >= 1 || count == 0 ? count : Int64(clamping: (Double(count) / share).rounded())
    }
}

extension FlowStatistics.Activity {
    fileprivate func extrapolated(_ share: Double) -> Self {
        var all = self
        for field in Self.fields { all[keyPath: field] = FlowStatistics.extrapolate(self[keyPath: field], share) }
        return all
    }

    fileprivate mutating func add(_ other: Self) {
        for field in Self.fields { self[keyPath: field] += other[keyPath: field] }
    }

    private static let fields: [WritableKeyPath<Self, Int64> & Sendable] = [
        \.activeFlows, \.versions, \.stateBytes, \.storedBytes, \.phasesCompleted, \.errorsReported, \.recoveries, \.failedFlows,
        \.recoveredFlows,
    ]
}

/// Values by name, in the order of insertion.
private struct Table<Value> {
    private(set) var values: [Value] = []
    private var places: [Name: Int] = [:]

    mutating func change(_ name: String, _ make: (String) -> Value, _ body: (inout Value) -> Void) {
        let place: Int
        if let known = places[Name(name)] {
            place = known
        } else {
            place = values.count
            places[Name(name)] = place
            values.append(make(name))
        }
        body(&values[place])
    }
}
