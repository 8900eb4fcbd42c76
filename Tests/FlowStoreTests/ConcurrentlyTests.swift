import FlowModel
import Synchronization
import Testing

@testable import FlowStore

struct ConcurrentlyTests {
    /// Every element once, results in their order, and never more than the width at a time.
    @Test(arguments: [(0, 4), (1, 4), (3, 4), (4, 4), (5, 4), (200, 4), (200, 1)])
    func noMoreThanTheWidthAtATime(count: Int, width: Int) async {
        let underWay = Mutex((now: 0, most: 0))
        let results = await concurrently(Array(0..<count), width: width) { (element: Int) async throws(StateError) in
            underWay.withLock { counts in
                counts.now += 1
                counts.most = max(counts.most, counts.now)
            }
            await Task.yield()
            underWay.withLock { $0.now -= 1 }
            if element % 3 == 2 { throw .cancelled }
            return element
        }
        #expect(results.count == count)
        for (place, result) in results.enumerated() {
            #expect((try? result.get()) == (place % 3 == 2 ? nil : place))
        }
        #expect(underWay.withLock { $0.most } <= width)
    }
}
