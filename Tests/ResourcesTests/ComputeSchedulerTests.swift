import Synchronization
import Testing

@testable import Resources

@Suite struct ComputeSchedulerTests {
    @Test func shortJobsPassLongOnes() async throws {
        let scheduler = ComputeScheduler(threads: 2, queueLimit: 100)
        let gate = Semaphore()
        // More long jobs than threads: one runs, the others wait for it.
        for _ in 0..<4 { try scheduler.submit(.long, caller: 1) { gate.wait() } }
        let answer = await withCheckedContinuation { continuation in
            do { try scheduler.submit(.short, caller: 2) { continuation.resume(returning: 7) } } catch { continuation.resume(returning: 0) }
        }
        #expect(answer == 7)
        for _ in 0..<4 { gate.signal() }
        await scheduler.stop()
    }

    @Test func theQueueIsBounded() async throws {
        let scheduler = ComputeScheduler(threads: 2, queueLimit: 3)
        let (gate, begun) = (Semaphore(), Semaphore())
        try scheduler.submit(.long, caller: 1) {
            begun.signal()
            gate.wait()
        }
        begun.wait()
        for _ in 0..<3 { try scheduler.submit(.long, caller: 1) {} }
        #expect(throws: ComputeScheduler.Refusal.overloaded(queued: 3)) { try scheduler.submit(.long, caller: 2) {} }
        gate.signal()
        await scheduler.stop()
        #expect(throws: ComputeScheduler.Refusal.stopping) { try scheduler.submit(.short, caller: 2) {} }
    }

    @Test func everyJobIsRunOnceAlsoWhenItStops() async throws {
        let scheduler = ComputeScheduler(threads: 3, queueLimit: 10_000)
        let runs = Atomic(0)
        for number in 0..<1_000 {
            try scheduler.submit(number % 3 == 0 ? .long : .short, caller: UInt64(number % 7)) { runs.add(1, ordering: .relaxed) }
        }
        await scheduler.stop()
        #expect(runs.load(ordering: .relaxed) == 1_000)
    }
}
