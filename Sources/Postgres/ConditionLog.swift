import Resources

/// Logs a lasting failure (a full disk, a server that takes no writes) with one line when it begins, one now and then while it lasts, and
/// one when it is over, instead of one for each operation. Pure.
package struct ConditionLog {
    package enum Line: Equatable {
        case began(String)
        /// `count`: failures since it began.
        case lasts(String, count: Int)
        case ended(String, count: Int)
    }

    /// How often a lasting condition is logged again.
    static let repetition = Duration.seconds(30)
    /// A condition is over when nothing has failed because of it for this long, and an operation has succeeded.
    static let calm = Duration.seconds(3)
    /// Conditions distinguished at a time.
    static let capacity = 16

    private struct Condition {
        var message: String
        var count: Int
        var last: Instant
        var told: Instant
    }

    private var conditions: [String: Condition] = [:]

    package init() {}

    package var isEmpty: Bool { conditions.isEmpty }

    /// - Parameter key: Identifies the condition; messages may differ, as they may name a row or a time.
    package mutating func failed(_ key: String, _ message: String, now: Instant) -> Line? {
        guard var condition = conditions[key] else {
            guard conditions.count < Self.capacity else { return nil }
            conditions[key] = Condition(message: message, count: 1, last: now, told: now)
            return .began(message)
        }
        condition.count += 1
        condition.last = now
        condition.message = message
        defer { conditions[key] = condition }
        guard now - condition.told >= Self.repetition else { return nil }
        condition.told = now
        return .lasts(message, count: condition.count)
    }

    /// An operation of the same kind succeeded.
    package mutating func succeeded(now: Instant) -> [Line] {
        if conditions.isEmpty { return [] }
        let over = conditions.filter { now - $0.value.last >= Self.calm }
        for key in over.keys { conditions[key] = nil }
        return over.sorted { $0.key < $1.key }.map { .ended($0.value.message, count: $0.value.count) }
    }
}
