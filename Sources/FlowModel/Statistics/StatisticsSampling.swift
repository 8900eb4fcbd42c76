/// What one answer may read. Up to these bounds everything is counted; beyond them, about as much is sampled.
package struct StatisticsBudget: Sendable {
    /// A tenant with no more flows, or checkpoints, is read by an index, however large the table is.
    package var smallTenant: Int64 = 200_000
    /// Flows, and checkpoints, that are read at most.
    package var countedRows: Int64 = 2_000_000
    /// Up to so many versions, all of their sizes are added up…
    package var sizedVersions: Int64 = 50_000
    /// …and beyond, a sample: so many of the tenant's versions, but not more pages.
    package var sampledVersions: Int64 = 10_000
    package var sampledPages: Int64 = 10_000
    /// Versions read of flows that changed in the window.
    package var activeVersions: Int64 = 50_000
    /// The newest versions read of one flow.
    package var versionsOfFlow: Int64 = 10_000

    package init() {}
}

/// The shares of the tables that are read. Pure.
package struct StatisticsSampling: Sendable, Equatable {
    /// Flows are picked by 20 bits of a hash of their ids.
    package static let hashBits = 20

    /// 1: all.
    package let flows: Double
    package let checkpoints: Double

    package init(_ sizes: StatisticsRows.Sizes, _ budget: StatisticsBudget) {
        // Each table separately: few flows may have many checkpoints.
        let share = { (rows: Int64, ofTenant: Int64) -> Double in
            ofTenant <= budget.smallTenant || rows <= budget.countedRows ? 1 : Double(budget.countedRows) / Double(rows)
        }
        flows = share(sizes.flows, sizes.tenantFlows)
        checkpoints = share(sizes.checkpoints, sizes.tenantCheckpoints)
    }

    /// The share of the pages of versions.
    ///
    /// - Parameter versions: of the tenant, in the flows that were read.
    package func storage(_ versions: Int64, pages: Int64, _ budget: StatisticsBudget) -> Double {
        let all = Double(versions) / flows
        if all <= Double(budget.sizedVersions) { return 1 }
        return min(1, Double(budget.sampledVersions) / all, Double(budget.sampledPages) / Double(max(pages, 1)))
    }

    /// Flows whose hash is below this are picked.
    ///
    /// - Parameter versions: of the flows that changed in the window, among those that were read.
    package static func hashBound(_ versions: Int64, _ budget: StatisticsBudget) -> Int64 {
        let all = Int64(1) << hashBits
        if versions <= budget.activeVersions { return all }
        return max(1, Int64(clamping: Double(budget.activeVersions) / Double(versions) * Double(all)))
    }
}
