import Testing

@testable import Resources

@Suite struct MemoryBudgetTests {
    @Test func atBelowAndAboveTheLimit() {
        let budget = MemoryBudget(limit: 100)
        let account = MemoryAccount(budget)
        #expect(account.reserve(99))
        #expect(!account.reserve(2))
        #expect(account.reserve(1))
        #expect(!account.reserve(1))
        #expect(budget.reserved == 100)
        account.release(40)
        #expect(budget.reserved == 60)
        #expect(budget.released == 40)
        #expect(account.reserve(40))
    }

    /// One that holds little may use the last eighth, one that holds much may not.
    @Test func theLastEighthIsForSmallAccounts() {
        let small = MemoryBudget.smallAccountBytes
        let budget = MemoryBudget(limit: 16 * small)
        let (large, other) = (MemoryAccount(budget), MemoryAccount(budget))
        #expect(large.reserve(14 * small))
        #expect(!large.reserve(1))
        #expect(!other.reserve(small + 1))
        #expect(other.reserve(small))
        #expect(!other.reserve(1))
        large.releaseAll()
        #expect(budget.reserved == small && large.reserved == 0)
    }

    @Test func extremeNumbersReserveNothing() {
        let budget = MemoryBudget(limit: 100)
        let account = MemoryAccount(budget)
        #expect(!account.reserve(.max))
        #expect(account.reserve(.min))
        account.release(.max)
        account.release(.min)
        #expect(budget.reserved == 0)
    }

    @Test func theLastHolderGivesEverythingBack() {
        let budget = MemoryBudget(limit: 100)
        var account: MemoryAccount? = MemoryAccount(budget)
        #expect(account?.reserve(70) == true)
        let other = account
        account = nil
        #expect(budget.reserved == 70)
        withExtendedLifetime(other) {}
    }

    @Test func whatIsHandedOverStaysReserved() {
        let budget = MemoryBudget(limit: 100)
        let (one, other) = (MemoryAccount(budget), MemoryAccount(budget))
        #expect(one.reserve(70) && other.reserve(20))
        #expect(one.handOver(50, to: other) == 50)
        #expect((one.reserved, other.reserved, budget.reserved) == (20, 70, 90))
        #expect(one.handOver(50, to: other) == 20, "no more than it holds")
        #expect(one.handOver(-1, to: other) == 0)
        #expect((one.reserved, other.reserved, budget.reserved) == (0, 90, 90))
        other.releaseAll()
        #expect(budget.reserved == 0)
    }

    @Test func manyThreadsNeverPassTheLimit() async {
        let budget = MemoryBudget(limit: 1_000)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<10_000 {
                        let account = MemoryAccount(budget)
                        if account.reserve(300) { #expect(budget.reserved <= 1_000) }
                    }
                }
            }
        }
        #expect(budget.reserved == 0)
    }
}
