import Glibc
import Synchronization
import Testing

@testable import Resources

@Suite struct DisposalTests {
    /// Says by which thread it was let go of.
    private final class Memory: Sendable {
        let gone: @Sendable (pthread_t) -> Void
        init(_ gone: @escaping @Sendable (pthread_t) -> Void) { self.gone = gone }
        deinit { gone(pthread_self()) }
    }

    private final class Count: Sendable { let value = Atomic(0) }
    private final class Numbers: Sendable { let all = Mutex<[Int]>([]) }

    @Test func memoryGoesOnAnotherThread() async {
        let disposal = Disposal()
        let here = pthread_self()
        for _ in 0..<100 {
            let there = await withCheckedContinuation { continuation in
                disposal.take(Memory { continuation.resume(returning: $0) }, bytes: 1_000)
            }
            #expect(there != here)
        }
    }

    /// The thread takes what is there as a whole; what comes while it is at it waits up to the limit, and goes at once beyond that.
    @Test func whatWaitsIsBounded() async {
        let disposal = Disposal()
        let (begun, gate) = (Semaphore(), Semaphore())
        let gone = Numbers()
        func take(_ number: Int, _ bytes: Int) {
            disposal.take(Memory { _ in gone.all.withLock { $0.append(number) } }, bytes: bytes)
        }
        disposal.take(
            Memory { _ in
                begun.signal()
                gate.wait()
            }, bytes: 1)
        begun.wait()
        take(1, Disposal.limitBytes - 2)
        take(2, 1)
        #expect(disposal.waitingBytes == Disposal.limitBytes)
        #expect(gone.all.withLock { $0.isEmpty })
        take(3, 1)
        #expect(gone.all.withLock { $0 } == [3])
        gate.signal()
    }

    @Test func whatWaitsGoesWhenTheDisposalEnds() async {
        let gone = Count()
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let disposal = Disposal()
            for _ in 0..<1_000 {
                let memory = Memory { _ in
                    if gone.value.add(1, ordering: .relaxed).newValue == 1_000 { continuation.resume() }
                }
                disposal.take(memory, bytes: 1)
            }
        }
        #expect(gone.value.load(ordering: .relaxed) == 1_000)
    }
}
