import Foundation
import Synchronization

/// Tells the workers of a run that nobody waits for them any more.
final class Stop: Sendable {
    private let flag = Atomic(false)

    var isSet: Bool { flag.load(ordering: .relaxed) }

    func set() { flag.store(true, ordering: .relaxed) }
}

/// One thread that waits for the sockets of some lanes and lets each do what it can.
struct Worker {
    struct Result: Sendable {
        var measurement: Measurement
        /// Of the whole program: when measuring began, and at the end.
        var processorStart: Double?
        var processorEnd = 0.0
    }

    /// How soon a `Stop` is noticed.
    private static let longestWait: Int64 = 100_000_000

    let lanes: [Lane]
    let measureFrom: Int64
    let stop: Stop

    func run() -> Result {
        var result = Result(measurement: Measurement(start: measureFrom))
        var waiter = Waiter()
        while !stop.isSet {
            var wake = Int64.max
            var isOver = true
            var next = Waiter()
            for lane in lanes where !lane.isOver {
                if waiter.isReadable(lane.socket.descriptor) { lane.read() }
                lane.turn()
                if lane.isOver { continue }
                isOver = false
                next.add(lane.socket.descriptor, forWriting: lane.wantsToWrite)
                wake = min(wake, lane.wakeTime)
            }
            if isOver { break }
            let now = monotonicNow()
            if result.processorStart == nil {
                if now >= measureFrom { result.processorStart = processorSeconds() } else { wake = min(wake, measureFrom) }
            }
            waiter = next
            waiter.wait(nanoseconds: min(max(wake - now, 0), Self.longestWait))
        }
        for lane in lanes { result.measurement.add(lane.measurement) }
        result.processorEnd = processorSeconds()
        return result
    }
}

/// Runs `body` on a thread of its own, since it blocks.
func onThread<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Swift.Result(catching: body)) }
    }
}
