import Synchronization
import Testing

@testable import Resources

@Suite struct DeferredSignalsTests {
    final class Counter: Signal {
        let count = Atomic(0)
        func signal() { count.add(1, ordering: .sequentiallyConsistent) }
        var value: Int { count.load(ordering: .sequentiallyConsistent) }
    }

    @Test func aSignalOutsideIsGivenAtOnce() {
        let counter = Counter()
        DeferredSignals.signal(counter)
        #expect(counter.value == 1)
    }

    @Test func eachIsSignalledOnceAtTheEndOfTheOutermostWork() {
        let (one, other) = (Counter(), Counter())
        let result = DeferredSignals.during {
            for _ in 0..<3 { DeferredSignals.signal(one) }
            DeferredSignals.during { DeferredSignals.signal(other) }
            #expect(one.value == 0 && other.value == 0)
            return 7
        }
        #expect(result == 7 && one.value == 1 && other.value == 1)
        DeferredSignals.signal(one)
        #expect(one.value == 2)
        DeferredSignals.during {}
        #expect(one.value == 2 && other.value == 1)
    }

    @Test func anotherThreadDefersNothing() async {
        let counter = Counter()
        // The closure must not suspend, so the other thread's end is waited for with a semaphore.
        let ended = Semaphore()
        DeferredSignals.during {
            let isStarted = WorkerThread.start(name: "signals") {
                DeferredSignals.signal(counter)
                ended.signal()
            }
            #expect(isStarted)
            ended.wait()
            #expect(counter.value == 1)
        }
        #expect(counter.value == 1)
    }
}
