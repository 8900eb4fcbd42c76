import Synchronization
public import WireMessages

/// A lease that renews itself (`StateClient.withLease`). Thread-safe.
public final class LeaseScope: Sendable {
    /// Sent with each change as `lease_token`.
    public let token: Int64
    private let current: Mutex<Lease>

    init(_ lease: Lease) {
        token = lease.token
        current = Mutex(lease)
    }

    /// As it was when it was acquired, or renewed last.
    public var lease: Lease { current.withLock(\.self) }

    func renewed(_ lease: Lease) { current.withLock { $0 = lease } }
}

extension StateClient {
    /// Runs `body` while this holder has the lease of a flow: acquires it, renews it every third of its time, and gives it back at the end.
    ///
    /// When it is lost, since it could not be renewed in time and another holder took it, the task of `body` is cancelled and `LEASE_LOST` is
    /// thrown. Changes that `body` still makes with its token are refused by the server.
    ///
    /// - Parameters:
    ///   - holder: who has it, for others to see.
    ///   - timeToLive: how long it lasts without a renewal; 1 second to 1 hour.
    ///   - wait: how long to wait for another holder to give it back.
    /// - Throws: `ClientError`, or what `body` throws.
    public func withLease<Value: Sendable>(
        of flowID: String, holder: String, timeToLive: Duration = .seconds(30), wait: Duration = .zero,
        _ body: @escaping @Sendable (LeaseScope) async throws -> Value
    ) async throws -> Value {
        let request = AcquireLeaseRequest(flowID: flowID, holder: holder, ttl: timeToLive, wait: wait)
        guard let lease = try await acquireLease(request).lease else { throw ClientError(missing: "lease") }
        let scope = LeaseScope(lease)
        let result: Result<Value, any Error>
        do {
            result = .success(
                try await withThrowingTaskGroup(of: Value?.self) { group in
                    group.addTask { try await body(scope) }
                    group.addTask {
                        try await self.renew(scope, of: flowID, timeToLive)
                        return nil
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
            do {
                if let lease = try await renewLease(RenewLeaseRequest(flowID: flowID, token: scope.token, ttl: timeToLive)).lease {
                    scope.renewed(lease)
                }
            } catch let error as ClientError where error.isTransient || error.code == .deadlineExceeded {
                // The server decides whether the lease is lost.
                continue
            } catch is CancellationError {
                return
            }
        }
    }
}
