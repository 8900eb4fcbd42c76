/// What goes into a lane's queue, and what comes out of it.
extension BatchQueue {
    struct Limits: Sendable {
        /// Operations a batch.
        var operations: Int
        /// Bytes a batch; one operation larger than that makes a batch of its own.
        var bytes: Int
        /// Operations that may wait.
        var queued: Int
        /// Bytes that may wait; one operation is always let in.
        var queuedBytes: Int
        /// How long an operation waits for a lock that another transaction holds.
        var lockPatience = Duration.seconds(5)
    }

    struct Entry {
        let id: ID
        let element: Element
        let cost: Int
        let deadline: Instant?
        let company: Company
        /// Callers take turns.
        let caller: UInt64
        /// `Operation.lockOrder`.
        var lock: UInt64?
        /// Set when it was put aside because of its lock: until then, or it fails.
        var asideUntil: Instant?
        /// Set when the connection was lost under it and it waits for another: until then, or it fails.
        var heldUntil: Instant?

        /// The same operation before its next round trip.
        func again(cost: Int, company: Company) -> Entry {
            Entry(
                id: id, element: element, cost: cost, deadline: deadline, company: company, caller: caller, lock: lock,
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
        /// Operations whose locks were held: each in a transaction of its own, with little patience.
        case trial([Entry])
        /// Nothing to do: wait to be woken.
        case idle
        /// Shut down and empty: close the connection.
        case finished
    }

    enum Admission {
        /// `wake` is the idle connection that should come and take the batch.
        case queued(ID, wake: Int?)
        case refused(PostgresError)
    }
}

extension BatchQueue.Failure: Sendable where Element: Sendable {}
extension BatchQueue.Entry: Sendable where Element: Sendable {}
