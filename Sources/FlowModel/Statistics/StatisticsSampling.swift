/// What may be read for one answer. Up to these bounds everything is counted; beyond, about as much is looked at.
public struct StatisticsBudget: Sendable {
    /// Of a tenant that has no more flows, or checkpoints, than that, these are found by an index, however large their table is.
    public var smallTenant: Int64 = 200_000
    /// Flows, and checkpoints, that are counted one by one.
    public var countedRows: Int64 = 2_000_000
    /// Versions whose sizes are added up one by one…
    public var sizedVersions: Int64 = 50_000
    /// …and what is looked at otherwise: so many of the tenant's, but not more pages.
    public var sampledVersions: Int64 = 10_000
    public var sampledPages: Int64 = 10_000
    /// Versions of flows that changed in the window.
    public var activeVersions: Int64 = 50_000
    /// Of one flow, the newest.
    public var versionsOfFlow: Int64 = 10_000

    public init() {}
}

/// Which shares of the tables are read. Pure.
public struct StatisticsSampling: Sendable, Equatable {
    /// Flows are picked by 20 bits of a hash of their ids.
    public static let hashBits = 20

    /// 1: all.
    public let flows: Double
    public let checkpoints: Double

    public init(_ sizes: StatisticsRows.Sizes, _ budget: StatisticsBudget) {
        // Each table by itself: few flows may have many checkpoints.
        let share = { (rows: Int64, ofTenant: Int64) -> Double in
            ofTenant <= budget.smallTenant || rows <= budget.countedRows ? 1 : Double(budget.countedRows) / Double(rows)
        }
        flows = share(sizes.flows, sizes.tenantFlows)
        checkpoints = share(sizes.checkpoints, sizes.tenantCheckpoints)
    }

    /// Of the pages of versions.
    ///
    /// - Parameter versions: of the tenant, in the flows that were looked at.
    public func storage(_ versions: Int64, pages: Int64, _ budget: StatisticsBudget) -> Double {
        let all = Double(versions) / flows
        if all <= Double(budget.sizedVersions) { return 1 }
        return min(1, Double(budget.sampledVersions) / all, Double(budget.sampledPages) / Double(max(pages, 1)))
    }

    /// Flows are picked whose hash is below this.
    ///
    /// - Parameter versions: of the flows that changed in the window, of those that were looked at.
    public static func hashBound(_ versions: Int64, _ budget: StatisticsBudget) -> Int64 {
        let all = Int64(1) << hashBits
        if versions <= budget.activeVersions { return all }
        return max(1, Int64(clamping: Double(budget.activeVersions) / Double(versions) * Double(all)))
    }
}
