import Resources
import Synchronization
import Testing

@testable import Resources

@Suite struct ResidentMemoryTests {
    private final class Process: Sendable {
        let resident = Atomic(0)
        let milliseconds = Atomic(0)
        let looks = Atomic(0)

        func memory(idle: Int, tolerance: Int = 50) -> ResidentMemory {
            let begin = Instant.now
            return ResidentMemory(
                tolerance: tolerance,
                resident: {
                    self.looks.add(1, ordering: .relaxed)
                    return self.resident.load(ordering: .relaxed)
                }, now: { begin + .milliseconds(self.milliseconds.load(ordering: .relaxed)) }, explained: { idle })
        }
    }

    @Test func itLooksOnceInFiveMilliseconds() {
        let process = Process()
        let memory = process.memory(idle: 100)
        process.resident.store(150, ordering: .relaxed)
        #expect(memory.excess(reserved: 20) == 30)
        process.resident.store(250, ordering: .relaxed)
        process.milliseconds.store(4, ordering: .relaxed)
        #expect(memory.excess(reserved: 20) == 30)
        process.milliseconds.store(5, ordering: .relaxed)
        #expect(memory.excess(reserved: 20) == 130)
        #expect(process.looks.load(ordering: .relaxed) == 2)
        process.milliseconds.store(10, ordering: .relaxed)
        #expect(memory.excess(reserved: 400) == 0)
    }

    /// What is resident without being reserved comes off what large accounts get.
    @Test func aLargeAccountGetsTheLess() {
        let small = MemoryBudget.smallAccountBytes
        let process = Process()
        let budget = MemoryBudget(limit: 16 * small, resident: process.memory(idle: 10 * small))
        let (large, other, third) = (MemoryAccount(budget), MemoryAccount(budget), MemoryAccount(budget))
        #expect(large.reserve(3 * small))
        process.resident.store(17 * small, ordering: .relaxed)
        process.milliseconds.store(5, ordering: .relaxed)
        // Of 14 there are 4 resident that nobody has reserved, and 3 reserved.
        #expect(!other.reserve(7 * small + 1))
        #expect(budget.taken == 7 * small)
        #expect(other.reserve(7 * small))
        #expect(!large.reserve(1))
        #expect(third.reserve(small))
    }

    /// What cannot be given back keeps no one out who is alone.
    @Test func oneThatIsAloneGetsAll() {
        let small = MemoryBudget.smallAccountBytes
        let process = Process()
        let budget = MemoryBudget(limit: 16 * small, resident: process.memory(idle: 0))
        let (large, other) = (MemoryAccount(budget), MemoryAccount(budget))
        process.resident.store(100 * small, ordering: .relaxed)
        #expect(other.reserve(2 * small))
        #expect(large.reserve(12 * small))
        #expect(!large.reserve(1))
        large.releaseAll()
        #expect(other.reserve(small))
        #expect(!large.reserve(2 * small))
    }

    /// At the tolerance, and above it.
    @Test func anExcessIsTold() async {
        let process = Process()
        let memory = process.memory(idle: 100, tolerance: 50)
        let listener = Task {
            var excesses = memory.excesses.makeAsyncIterator()
            await excesses.next()
            return memory.lastExcess
        }
        process.resident.store(150, ordering: .relaxed)
        #expect(memory.excess(reserved: 0) == 50)
        await Task.yield()
        process.milliseconds.store(5, ordering: .relaxed)
        process.resident.store(151, ordering: .relaxed)
        #expect(memory.excess(reserved: 0) == 51)
        #expect(await listener.value == 51)
    }

    /// 0 is what a system tells that has no statm(5).
    @Test func whereNothingIsKnownNothingIsTakenOff() {
        #expect(Process().memory(idle: 100).excess(reserved: 0) == 0)
    }
}
