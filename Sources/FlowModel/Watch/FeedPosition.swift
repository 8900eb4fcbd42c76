/// How far changes have been read: a set of transactions, as a snapshot of PostgreSQL has it. Pure.
///
/// Transactions end in another order than they begin, so no single number says what was read. Those with ids below `next` have been, except
/// the ones that were `running`; their versions are read when they have ended. A version follows the one before it in a later transaction
/// or in the same one, and no snapshot has the later without the earlier: so read from position to position, each flow is in order.
///
/// `next` is one above the greatest id of a version that was read, not above the greatest id that PostgreSQL has given out: after a crash it
/// gives out again those that no commit had made durable.
package struct FeedPosition: Sendable, Equatable {
    /// The cluster and the branch of its history: the ids of another mean nothing here. 0 and 0 where PostgreSQL does not say.
    package struct History: Sendable, Equatable {
        package var system: UInt64
        package var timeline: UInt32

        package init(system: UInt64, timeline: UInt32) {
            self.system = system
            self.timeline = timeline
        }

        package static let unknown = History(system: 0, timeline: 0)
    }

    package var history: History
    /// By PostgreSQL's clock: everything that was committed before it has been read.
    package var time: Timestamp
    package var next: Int64
    /// Below `next`, ascending.
    package var running: [Int64]

    package init(history: History, time: Timestamp, next: Int64, running: [Int64] = []) {
        self.history = history
        self.time = time
        self.next = next
        self.running = running
    }

    /// Whether the versions of a transaction have been read.
    package func hasPassed(_ transaction: Int64) -> Bool { transaction < next && !running.contains(transaction) }

    /// The position when everything has been read that a snapshot shows.
    ///
    /// - Parameters:
    ///   - newest: the greatest id of a version that the snapshot shows.
    ///   - time: of the snapshot.
    package func advanced(to snapshot: TransactionSnapshot, newest: Int64?, time: Timestamp) -> FeedPosition {
        let next = max(self.next, (newest ?? 0) + 1)
        return FeedPosition(history: history, time: time, next: next, running: snapshot.running.filter { $0 < next })
    }

    /// The position when of the same only what has ids up to `last` has been read. Its time stays: later ids may have been committed earlier.
    package func advanced(to snapshot: TransactionSnapshot, cutAfter last: Int64) -> FeedPosition {
        let next = max(self.next, last + 1)
        return FeedPosition(history: history, time: time, next: next, running: snapshot.running.filter { $0 < next })
    }

    /// The position when all has been read that either position has passed.
    package func union(_ other: FeedPosition) -> FeedPosition {
        let left = running.filter { !other.hasPassed($0) }
        let right = other.running.filter { !hasPassed($0) && !left.contains($0) }
        return FeedPosition(
            history: history, time: max(time, other.time), next: max(next, other.next), running: (left + right).sorted())
    }
}

/// Which transactions had ended at one moment: the text of a `pg_snapshot`, `xmin:xmax:running,…` (manual, 9.27.8).
package struct TransactionSnapshot: Sendable, Equatable {
    /// One above the greatest id that had ended or begun.
    package var end: Int64
    /// Below `end`, ascending.
    package var running: [Int64]

    package init(end: Int64, running: [Int64] = []) {
        self.end = end
        self.running = running
    }

    package init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, let end = Int64(parts[1]) else { return nil }
        var running: [Int64] = []
        for id in parts[2].split(separator: ",") {
            guard let id = Int64(id) else { return nil }
            running.append(id)
        }
        self.init(end: end, running: running.sorted())
    }
}
