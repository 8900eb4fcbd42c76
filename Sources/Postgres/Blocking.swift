import Resources
import Synchronization

/// Runs blocking work on a thread of its own, so that it blocks no thread of the tasks.
enum Blocking {
    /// - Parameter body: Receives the interruption, which ends its waits and tells whether the task was cancelled.
    static func run<Value: Sendable>(
        name: String, _ body: @escaping @Sendable (Interruption) throws(PostgresError) -> Value
    ) async throws(PostgresError) -> Value {
        let interruption = try Interruption()
        let result: Result<Value, PostgresError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isStarted = WorkerThread.start(name: name) {
                    do throws(PostgresError) {
                        continuation.resume(returning: .success(try body(interruption)))
                    } catch {
                        continuation.resume(returning: .failure(error))
                    }
                }
                if !isStarted {
                    continuation.resume(
                        returning: .failure(.unavailable(message: "the system refuses another thread", outcomeUnknown: false)))
                }
            }
        } onCancel: {
            interruption.interrupt()
        }
        return try result.get()
    }

    /// Whether blocking work should end.
    final class Interruption: Sendable {
        let wakeup: Wakeup
        private let flag = Atomic(false)

        init() throws(PostgresError) { wakeup = try Wakeup() }

        var isInterrupted: Bool { flag.load(ordering: .acquiring) }

        func interrupt() {
            flag.store(true, ordering: .releasing)
            wakeup.signal()
        }
    }
}
