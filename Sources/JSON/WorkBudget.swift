/// Counts the steps and the memory of a computation whose cost its input decides, and ends it when it takes too much of either, when its
/// call has ended (by its deadline or by cancellation), or when the server stops.
///
/// A step takes about a tenth of a microsecond in a release build on a slow machine: to look at one value, or to scan 16 bytes. Longer work
/// is charged several. One budget is for one call, whatever that computes; one thread at a time uses it.
package final class WorkBudget {
    /// Steps until the next check for an interruption, and steps beyond; their sum is what is left.
    private var untilLook = 0
    private var beyond: Int
    private let limit: Int
    private let interruption: () -> WorkStopped?
    private let reserve: (Int) -> WorkStopped?
    /// Bytes that were taken, and bytes that `reserve` has granted.
    private var taken = 0
    package private(set) var reserved = 0
    /// Why the computation ended. It stays set: unfinished work must not pass for finished.
    private var stopped: WorkStopped?

    /// Steps between two checks for an interruption: less than a millisecond.
    private static let interval = 4_096
    /// Bytes that every computation may take without a reservation, and bytes that are reserved at a time.
    static let unasked = 64 << 10, portion = 256 << 10

    /// - Parameters:
    ///   - steps: `Limits.work`, unless a caller may take less.
    ///   - interruption: asked every few thousand steps whether the deadline has passed, the call was cancelled, or the server stops. It
    ///     reads the clock, so that nothing here has to.
    ///   - reserve: reserves so many more bytes of memory before they are allocated; returns why they are not available. The owner of the
    ///     budget gives back what was granted (`reserved`) when the computation has ended.
    package init(
        steps: Int, interruption: @escaping () -> WorkStopped? = { nil }, reserve: @escaping (_ bytes: Int) -> WorkStopped? = { _ in nil }
    ) {
        limit = max(0, steps)
        beyond = limit
        self.interruption = interruption
        self.reserve = reserve
    }

    /// Steps that may still be taken.
    package var left: Int { stopped == nil ? untilLook + beyond : 0 }

    /// Whether it ended because it needed too many steps.
    package var isExhausted: Bool {
        if case .exhausted = stopped { true } else { false }
    }

    /// Steps that were taken.
    package var spent: Int { limit - left }

    /// - Parameter steps: not negative. They are spent before the work.
    package func spend(_ steps: Int) throws(WorkStopped) {
        if steps > untilLook { return try look(steps) }
        untilLook -= steps
    }

    /// For scanning so many bytes.
    package func spend(bytes: Int) throws(WorkStopped) { try spend(bytes / 16) }

    @inline(never)
    private func look(_ steps: Int) throws(WorkStopped) {
        if let stopped { throw stopped }
        if let reason = interruption() { throw end(reason) }
        guard steps <= left else { throw end(.exhausted(limit: limit)) }
        let rest = left - steps
        untilLook = min(rest, Self.interval)
        beyond = rest - untilLook
    }

    /// Called before memory is allocated whose size depends on input: the first bytes are free, the rest is reserved.
    ///
    /// - Parameter bytes: not negative.
    package func take(bytes: Int) throws(WorkStopped) {
        let (sum, overflows) = taken.addingReportingOverflow(bytes)
        let needed = overflows ? Int.max - Self.portion : sum
        if needed > reserved + Self.unasked {
            if let stopped { throw stopped }
            let more = max(needed - reserved - Self.unasked, Self.portion)
            if let reason = reserve(more) { throw end(reason) }
            reserved += more
        }
        taken = needed
    }

    /// Gives back bytes that were taken and are free again.
    func giveBack(bytes: Int) { taken -= bytes }

    private func end(_ reason: WorkStopped) -> WorkStopped {
        (stopped, untilLook, beyond) = (reason, 0, 0)
        return reason
    }

    /// A budget for a part of the work that may take only so many steps; the caller spends them here too. Its memory is taken here.
    func part(steps: Int) -> WorkBudget {
        WorkBudget(steps: min(steps, left), interruption: interruption) { bytes in
            do throws(WorkStopped) {
                try self.take(bytes: bytes)
                return nil
            } catch {
                return error
            }
        }
    }
}

/// Why a computation ended before it was done. Its partial results are discarded.
package enum WorkStopped: Error, Sendable, Equatable {
    /// It needs more steps than allowed.
    case exhausted(limit: Int)
    /// The caller's deadline has passed.
    case deadline
    /// The caller has cancelled the call.
    case cancelled
    /// The server stops.
    case stopping
    /// The owner's error: there is no memory for it.
    case refused(any Error)
}

extension WorkStopped {
    /// Two refusals are equal when they say the same.
    package static func == (left: WorkStopped, right: WorkStopped) -> Bool {
        switch (left, right) {
        case (.exhausted(let left), .exhausted(let right)): left == right
        case (.deadline, .deadline), (.cancelled, .cancelled), (.stopping, .stopping): true
        case (.refused(let left), .refused(let right)): "\(left)" == "\(right)"
        default: false
        }
    }
}

extension WorkStopped: CustomStringConvertible {
    package var description: String {
        switch self {
        case .exhausted(let limit): "it takes more than \(limit) steps"
        case .deadline: "its deadline has passed"
        case .cancelled: "it was cancelled"
        case .stopping: "the server stops"
        case .refused(let error): "\(error)"
        }
    }
}
