import Resources

/// What a connection group's queue takes and returns.
extension BatchQueue {
    struct Limits: Sendable {
        /// Operations per batch.
        var operations: Int
        /// Bytes per batch; a larger operation has a batch of its own.
        var bytes: Int
        /// Operations that may wait.
        var queued: Int
        /// Bytes that may wait; one operation is always accepted.
        var queuedBytes: Int
        /// How long an operation waits for a lock that another transaction holds.
        var lockPatience = Duration.seconds(5)
    }

    struct Entry {
        let id: ID
        let element: Element
        let cost: Int
        let deadline: Instant?
        let affinity: BatchAffinity
        /// Callers take turns (`CallerTurns`).
        let caller: UInt64
        /// `Operation.lockOrder`.
        var lock: UInt64?
        /// When an operation that was put aside because of its lock fails.
        var asideUntil: Instant?
        /// When a read whose connection was lost fails, unless another connection takes it.
        var heldUntil: Instant?

        /// The same operation before its next round trip.
        func again(cost: Int, affinity: BatchAffinity) -> Entry {
            Entry(
                id: id, element: element, cost: cost, deadline: deadline, affinity: affinity, caller: caller, lock: lock,
                asideUntil: asideUntil, heldUntil: heldUntil)
        }
    }

    struct Failure {
        let id: ID
        let element: Element
        let error: PostgresError

        init(_ entry: Entry, _ error: PostgresError) {
            id = entry.id
            element = entry.element
            self.error = error
        }
    }

    enum Take {
        case batch([Entry])
        /// Operations whose locks were held: each in a transaction of its own, with a short lock timeout.
        case trial([Entry])
        /// Nothing to do: wait to be woken.
        case idle
        /// Shut down and empty: close the connection.
        case finished
    }

    enum Admission {
        /// `wake` is the idle connection to wake.
        case queued(ID, wake: Int?)
        case refused(PostgresError)
    }
}

extension BatchQueue.Failure: Sendable where Element: Sendable {}
extension BatchQueue.Entry: Sendable where Element: Sendable {}
