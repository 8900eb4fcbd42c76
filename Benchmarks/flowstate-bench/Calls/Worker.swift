import Foundation
import Synchronization

/// Stops the workers of a run.
final class Stop: Sendable {
    private let flag = Atomic(false)

    var isSet: Bool { flag.load(ordering: .relaxed) }

    func set() { flag.store(true, ordering: .relaxed) }
}

/// One thread that waits for the sockets of some connections and gives each of them its turns.
struct Worker {
    struct Result: Sendable {
        let measurement: Measurement
        /// When measuring began, and at the end.
        let processorStart: ProcessorTime?
        let processorEnd: ProcessorTime
    }

    /// How soon a `Stop` is noticed.
    private static let longestWait: Int64 = 100_000_000

    let loads: [ConnectionLoad]
    let recorder: Recorder
    let measureFrom: Int64
    let stop: Stop
    /// The server's process, if it is known.
    let server: pid_t?

    func run() -> Result {
        var processorStart: ProcessorTime?
        var poller = Poller()
        // For each connection that is not over: when it has something to do although nothing arrived.
        var wakes = loads.map { _ in Int64.min }
        var active = loads.count
        while active > 0, !stop.isSet {
            let now = monotonicNow()
            if processorStart == nil, now >= measureFrom { processorStart = .now(server: server) }
            var wake = processorStart == nil ? measureFrom : now + Self.longestWait
            for (index, load) in loads.enumerated() {
                let descriptor = load.socket.descriptor
                let isReadable = poller.isReadable(descriptor)
                if isReadable || poller.isWritable(descriptor) || wakes[index] <= now {
                    if isReadable { load.read() }
                    load.turn()
                    poller.watch(descriptor, reading: !load.isOver, writing: load.wantsToWrite && !load.isOver)
                    wakes[index] = load.isOver ? .max : load.wakeTime
                    if load.isOver { active -= 1 }
                }
                wake = min(wake, wakes[index])
            }
            if active > 0 { poller.wait(nanoseconds: min(max(wake - monotonicNow(), 0), Self.longestWait)) }
        }
        return Result(measurement: recorder.measurement, processorStart: processorStart, processorEnd: .now(server: server))
    }
}

/// Runs `body` on a thread of its own, since it blocks.
func onThread<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Swift.Result(catching: body)) }
    }
}
