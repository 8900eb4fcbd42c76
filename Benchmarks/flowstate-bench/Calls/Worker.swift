import Foundation
import Synchronization

/// Tells the workers of a run to stop.
final class Stop: Sendable {
    private let flag = Atomic(false)

    var isSet: Bool { flag.load(ordering: .relaxed) }

    func set() { flag.store(true, ordering: .relaxed) }
}

/// One thread that waits for the sockets of some lanes and lets each do what it can.
struct Worker {
    struct Result: Sendable {
        let measurement: Measurement
        /// Of the whole program: when measuring began, and at the end.
        let processorStart: Double?
        let processorEnd: Double
    }

    /// How soon a `Stop` is noticed.
    private static let longestWait: Int64 = 100_000_000

    let lanes: [Lane]
    let recorder: Recorder
    let measureFrom: Int64
    let stop: Stop

    func run() -> Result {
        var processorStart: Double?
        var waiter = Waiter()
        // Of the lanes that are not over: when each has something to do although nothing came.
        var wakes = lanes.map { _ in Int64.min }
        var active = lanes.count
        while active > 0, !stop.isSet {
            let now = monotonicNow()
            if processorStart == nil, now >= measureFrom { processorStart = processorSeconds() }
            var wake = processorStart == nil ? measureFrom : now + Self.longestWait
            for (index, lane) in lanes.enumerated() {
                let descriptor = lane.socket.descriptor
                let isReadable = waiter.isReadable(descriptor)
                if isReadable || waiter.isWritable(descriptor) || wakes[index] <= now {
                    if isReadable { lane.read() }
                    lane.turn()
                    waiter.watch(descriptor, reading: !lane.isOver, writing: lane.wantsToWrite && !lane.isOver)
                    wakes[index] = lane.isOver ? .max : lane.wakeTime
                    if lane.isOver { active -= 1 }
                }
                wake = min(wake, wakes[index])
            }
            if active > 0 { waiter.wait(nanoseconds: min(max(wake - monotonicNow(), 0), Self.longestWait)) }
        }
        return Result(measurement: recorder.measurement, processorStart: processorStart, processorEnd: processorSeconds())
    }
}

/// Runs `body` on a thread of its own, since it blocks.
func onThread<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Swift.Result(catching: body)) }
    }
}
