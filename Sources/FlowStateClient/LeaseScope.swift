import GRPC
import Synchronization
public import WireMessages

/// A lease that renews itself (`StateClient.withLease`). Thread-safe.
public final class LeaseScope: Sendable {
    /// Sent with each change as `lease_token`.
    public let token: Int64
    private let current: Mutex<(lease: Lease, end: ContinuousClock.Instant)>

    init(_ lease: Lease, end: ContinuousClock.Instant) {
        token = lease.token
        current = Mutex((lease, end))
    }

    /// As it was when it was acquired, or renewed last.
    public var lease: Lease { current.withLock(\.lease) }

    /// When it ends by this machine's clock, unless it is renewed: at the latest when it ends on the server.
    var end: ContinuousClock.Instant { current.withLock(\.end) }

    func renewed(_ lease: Lease, end: ContinuousClock.Instant) { current.withLock { $0 = (lease, end) } }
}

extension StateClient {
    /// Runs `body` while this holder has the lease of a flow: acquires it, renews it every third of its time, and gives it back at the end.
    ///
    /// When it is lost, or cannot be renewed in time, the task of `body` is cancelled, and a `ClientError` is thrown. Changes that `body` still
    /// makes with its token are refused once another holder has taken the lease.
    ///
    /// - Parameters:
    ///   - flowID: the flow, whether it exists yet or not.
    ///   - holder: who has it, for others to see.
    ///   - timeToLive: how long it lasts without a renewal; 1 second to 1 hour.
    ///   - wait: how long to wait for another holder to give it back.
    ///   - body: what needs it.
    /// - Throws: `ClientError`, or what `body` throws.
    public func withLease<Value: Sendable>(
        of flowID: String, holder: String, timeToLive: Duration = .seconds(30), wait: Duration = .zero,
        _ body: @escaping @Sendable (LeaseScope) async throws -> Value
    ) async throws -> Value {
        let request = AcquireLeaseRequest(flowID: flowID, holder: holder, ttl: timeToLive, wait: wait)
        guard let lease = try await acquireLease(request).lease else { throw ClientError(missing: "lease") }
        let scope = LeaseScope(lease, end: .now + timeToLive)
        let result: Result<Value, any Error>
        do {
            result = .success(
                try await withThrowingTaskGroup(of: Value?.self) { group in
                    group.addTask { try await body(scope) }
                    group.addTask {
                        try await self.renew(scope, of: flowID, timeToLive)
                        return nil
                    }
                    group.addTask {
                        while ContinuousClock.now < scope.end { try await Task.sleep(until: scope.end) }
                        throw ClientError(Status(.deadlineExceeded, "the lease of \(flowID) could not be renewed in time"))
                    }
                    defer { group.cancelAll() }
                    while let value = try await group.next() {
                        if let value { return value }
                    }
                    throw CancellationError()
                })
        } catch {
            result = .failure(error)
        }
        // Also after a cancellation. A lease that is lost, or that cannot be given back, runs out by itself.
        await Task { _ = try? await self.releaseLease(ReleaseLeaseRequest(flowID: flowID, token: scope.token)) }.value
        return try result.get()
    }

    /// Until the task is cancelled.
    private func renew(_ scope: LeaseScope, of flowID: String, _ timeToLive: Duration) async throws {
        while true {
            do {
                try await Task.sleep(for: timeToLive / 3)
            } catch {
                return
            }
            let end = ContinuousClock.now + timeToLive
            do {
                if let lease = try await renewLease(RenewLeaseRequest(flowID: flowID, token: scope.token, ttl: timeToLive)).lease {
                    scope.renewed(lease, end: end)
                }
            } catch let error as ClientError where error.isTransient || error.code == .deadlineExceeded {
                // Again, until its time is over.
                continue
            } catch is CancellationError {
                return
            }
        }
    }
}
