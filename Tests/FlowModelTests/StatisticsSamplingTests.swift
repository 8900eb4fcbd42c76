import FlowModel
import Testing

@Suite struct StatisticsSamplingTests {
    private static func sizes(flows: Int64, tenantFlows: Int64, tenantCheckpoints: Int64 = 0) -> StatisticsRows.Sizes {
        StatisticsRows.Sizes(
            time: Timestamp(microseconds: 0), flows: flows, checkpoints: flows * 2, versionPages: 0, tenantFlows: tenantFlows,
            tenantCheckpoints: tenantCheckpoints)
    }

    @Test func smallTenantsAndSmallTablesAreCounted() {
        let budget = StatisticsBudget()
        #expect(StatisticsSampling(Self.sizes(flows: 2_000_000, tenantFlows: 200_001), budget).flows == 1)
        #expect(StatisticsSampling(Self.sizes(flows: 1 << 40, tenantFlows: 200_000), budget).flows == 1)
        let large = StatisticsSampling(Self.sizes(flows: 20_000_000, tenantFlows: 200_001, tenantCheckpoints: 200_001), budget)
        #expect(large.flows == 0.1 && large.checkpoints == 0.05)
    }

    @Test func flowsAndCheckpointsAreJudgedApart() {
        let budget = StatisticsBudget()
        let many = StatisticsSampling(Self.sizes(flows: 20_000_000, tenantFlows: 10, tenantCheckpoints: 200_001), budget)
        #expect(many.flows == 1 && many.checkpoints == 0.05, "few flows may have many checkpoints")
        let few = StatisticsSampling(Self.sizes(flows: 20_000_000, tenantFlows: 200_001, tenantCheckpoints: 200_000), budget)
        #expect(few.flows == 0.1 && few.checkpoints == 1)
    }

    @Test func readPagesAreBounded() {
        let (budget, sampling) = (StatisticsBudget(), StatisticsSampling(Self.sizes(flows: 0, tenantFlows: 0), StatisticsBudget()))
        #expect(sampling.storage(50_000, pages: 1_000_000, budget) == 1)
        #expect(sampling.storage(3_000_000, pages: 300_000, budget) == 10_000.0 / 3_000_000)
        #expect(sampling.storage(60_000, pages: 100_000_000, budget) == 0.0001, "a tenant with a small part of many pages")
        #expect(sampling.storage(60_000, pages: 0, budget) == 1.0 / 6)
    }

    @Test func flowsArePickedByTheirHash() {
        let (budget, all) = (StatisticsBudget(), Int64(1) << StatisticsSampling.hashBits)
        #expect(StatisticsSampling.hashBound(0, budget) == all)
        #expect(StatisticsSampling.hashBound(50_000, budget) == all)
        #expect(StatisticsSampling.hashBound(100_000, budget) == all / 2)
        #expect(StatisticsSampling.hashBound(.max, budget) == 1)
    }

    @Test func sharesAreExtrapolated() {
        var figures = StatisticsRows.Totals()
        figures.total.flows = 100
        figures.total.versions = 300
        figures.storage = StatisticsRows.Storage(versions: 10, stateBytes: 1_000, storedBytes: 500)
        var heads = StatisticsRows.Heads()
        (heads.flowType, heads.phase, heads.status, heads.flows) = ("t", "p", "s", 100)
        figures.heads = [heads]
        var counts = FlowStatistics.Activity()
        (counts.activeFlows, counts.failedFlows, counts.recoveredFlows) = (8, 4, 1)
        figures.activities = [StatisticsRows.Activity(flowType: "t", phase: nil, counts: counts)]
        let sampling = StatisticsSampling(Self.sizes(flows: 4_000_000, tenantFlows: 1_000_000), StatisticsBudget())
        func take(storageShare: Double) -> FlowStatistics {
            FlowStatistics(
                GetStatisticsCommand(tenant: "t"), time: Timestamp(microseconds: 0), figures, sampling, storageShare: storageShare,
                hashBound: 1 << (StatisticsSampling.hashBits - 1))
        }
        var found = take(storageShare: 0.01)
        #expect(found.flows == 200 && found.byType.first?.flows == 200 && found.byType.first?.byPhase.first?.flows == 200)
        #expect(found.byStatus == found.byType.first?.byStatus)
        #expect(found.versions == 600 && found.stateBytes == 60_000, "so many of the mean size")
        #expect(found.activitySample == 0.25 && found.activity.activeFlows == 32)
        #expect(found.activity.failureRate == 0.5 && found.activity.recoveryRate == 0.25)
        figures.total.arePruned = true
        found = take(storageShare: 0.01)
        #expect(found.versions == 1_000 && found.stateBytes == 100_000, "how many are left is not known but from the pages")
        found = take(storageShare: 1)
        #expect(found.versions == 10 && found.stateBytes == 1_000)
    }
}
