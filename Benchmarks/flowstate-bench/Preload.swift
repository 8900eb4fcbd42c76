import FlowStateClient
import NIOCore
import Synchronization

/// Makes the flows that loads need, many at a time; those that are there already stay as they are.
struct Preload {
    private struct Progress {
        var next = 0
        var inFlight = 0
        var failure: ClientError?
        var waiter: CheckedContinuation<Void, any Error>?
    }

    /// Shared by the completions of all connections.
    private final class Run: Sendable {
        let progress = Mutex(Progress())
    }

    let client: StateClient
    let workload: Workload
    let inFlight: Int

    /// - Throws: the first `ClientError`; `CancellationError`.
    func run() async throws {
        let run = Run()
        let reporter = Task {
            while true {
                try await Task.sleep(for: .seconds(1))
                let done = run.progress.withLock { $0.next - $0.inFlight }
                Console.note("\(done) of \(workload.flows) flows made")
            }
        }
        defer { reporter.cancel() }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                run.progress.withLock { $0.waiter = continuation }
                for slot in 0..<min(inFlight, workload.flows) { start(run, connection: slot % client.connections) }
            }
        } onCancel: {
            let waiter = run.progress.withLock { progress in
                progress.next = .max
                return progress.waiter.take()
            }
            waiter?.resume(throwing: CancellationError())
        }
        try Task.checkCancellation()
    }

    /// Makes the next flow, and from its completion the one after.
    private func start(_ run: Run, connection: Int) {
        let flow = run.progress.withLock { progress -> Int? in
            guard progress.next < workload.flows, progress.failure == nil else { return nil }
            progress.next += 1
            progress.inFlight += 1
            return progress.next - 1
        }
        guard let flow else { return finishWhenIdle(run) }
        client.start(.saveState, workload.create(flow), connection: connection) { result in
            run.progress.withLock { progress in
                progress.inFlight -= 1
                if case .failure(let error) = result, error.conflict == nil { progress.failure = error }
            }
            start(run, connection: connection)
        }
    }

    private func finishWhenIdle(_ run: Run) {
        let (waiter, failure) = run.progress.withLock { progress in
            (progress.inFlight == 0 ? progress.waiter.take() : nil, progress.failure)
        }
        guard let waiter else { return }
        if let failure { waiter.resume(throwing: failure) } else { waiter.resume() }
    }
}
