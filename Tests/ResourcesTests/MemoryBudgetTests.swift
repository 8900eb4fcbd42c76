import Synchronization
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

@Suite struct LendingTests {
    /// Gives back in pieces of ten bytes.
    private final class Cache: MemoryBorrower {
        let budget: MemoryBudget
        private let held = Mutex(0)

        init(_ budget: MemoryBudget) {
            self.budget = budget
            budget.setBorrower(self)
        }

        var bytes: Int { held.withLock(\.self) }

        func borrow() -> Bool {
            guard budget.lend(10) else { return false }
            held.withLock { $0 += 10 }
            return true
        }

        func giveBack(_ bytes: Int) {
            let returned = held.withLock { held in
                let returned = min((bytes + 9) / 10 * 10, held)
                held -= returned
                return returned
            }
            budget.endLoan(returned)
        }
    }

    @Test func halfOfAllStaysFree() {
        let budget = MemoryBudget(limit: 100)
        let cache = Cache(budget)
        while cache.borrow() {}
        #expect(cache.bytes == 50 && budget.lent == 50 && budget.reserved == 50)
        #expect(!budget.lend(.max) && !budget.lend(0) && !budget.lend(-1))
    }

    @Test func aRequestGetsBackWhatItNeedsAndNoMore() {
        let budget = MemoryBudget(limit: 100)
        let cache = Cache(budget)
        while cache.borrow() {}
        let account = MemoryAccount(budget)
        #expect(account.reserve(50) && cache.bytes == 50, "that was free")
        #expect(account.reserve(11) && cache.bytes == 30)
        #expect(!account.reserve(40) && cache.bytes == 30, "all of it would not be enough")
        #expect(!account.reserve(.max) && cache.bytes == 30)
        #expect(account.reserve(39) && cache.bytes == 0 && budget.reserved == 100)
        #expect(!account.reserve(1) && !cache.borrow())
        account.releaseAll()
        #expect(cache.borrow() && budget.reserved == 10)
    }

    @Test func aBorrowerThatIsGoneStopsNobody() {
        let budget = MemoryBudget(limit: 100)
        var cache: Cache? = Cache(budget)
        while cache?.borrow() == true {}
        cache = nil
        let account = MemoryAccount(budget)
        #expect(account.reserve(50) && !account.reserve(1))
    }

    @Test func manyThreadsNeverGetMoreThanThereIs() async {
        let budget = MemoryBudget(limit: 1_000)
        let cache = Cache(budget)
        await withTaskGroup(of: Void.self) { group in
            for thread in 0..<4 {
                group.addTask {
                    let account = MemoryAccount(budget)
                    for step in 0..<5_000 {
                        if thread == 0 { _ = cache.borrow() } else if account.reserve(step % 300) { account.releaseAll() }
                        #expect(budget.reserved <= 1_000)
                    }
                }
            }
        }
        #expect(budget.reserved == cache.bytes && budget.lent == cache.bytes)
    }
}
