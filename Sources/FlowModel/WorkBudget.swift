/// Counts the steps of a computation whose time its input decides, and the memory that it takes, and ends it when it has taken too much of
/// either, when its call has ended (by its deadline or by cancellation), or when the server stops.
///
/// A step is what takes about a tenth of a microsecond in a release build, on a slow machine: to look at one value, or to go through 16
/// bytes. What takes longer is charged several. One budget is for one call, whatever that computes; it is used by one thread at a time.
public final class WorkBudget {
    /// Steps that may be taken before the next look around, and those beyond; what is left is both together.
    private var untilLook = 0
    private var beyond: Int
    private let limit: Int
    private let interruption: () -> WorkStopped?
    private let reserve: (Int) -> WorkStopped?
    /// Bytes that are taken, and that `reserve` has granted.
    private var taken = 0
    public private(set) var reserved = 0
    /// Why it ended. It stays so: what is left undone must not pass for done.
    private var stopped: WorkStopped?

    /// Steps between two looks at the interruption: less than a millisecond.
    private static let interval = 4_096
    /// What every computation may take unasked, and what is asked for at a time, in bytes.
    static let unasked = 64 << 10, portion = 256 << 10

    /// - Parameters:
    ///   - steps: `Limits.work`, unless a caller may take less.
    ///   - interruption: asked every few thousand steps: the deadline has passed, the call was cancelled, the server stops. It reads the
    ///     clock, so that nothing here has to.
    ///   - reserve: asked for so many bytes of memory more, before they are allocated; says why they are not there. What it has granted
    ///     (`reserved`) is to be given back by who made the budget, when the computation has ended.
    public init(
        steps: Int, interruption: @escaping () -> WorkStopped? = { nil }, reserve: @escaping (_ bytes: Int) -> WorkStopped? = { _ in nil }
    ) {
        limit = max(0, steps)
        beyond = limit
        self.interruption = interruption
        self.reserve = reserve
    }

    /// Steps that may still be taken.
    public var left: Int { stopped == nil ? untilLook + beyond : 0 }

    /// Whether it ended because it would have taken too many.
    public var isExhausted: Bool {
        if case .exhausted = stopped { true } else { false }
    }

    /// Steps that were taken.
    public var spent: Int { limit - left }

    /// - Parameter steps: not negative. What they pay for comes after them.
    public func spend(_ steps: Int) throws(WorkStopped) {
        if steps > untilLook { return try look(steps) }
        untilLook -= steps
    }

    /// For going through so many bytes, none of which takes long.
    public func spend(bytes: Int) throws(WorkStopped) { try spend(bytes / 16) }

    @inline(never)
    private func look(_ steps: Int) throws(WorkStopped) {
        if let stopped { throw stopped }
        if let reason = interruption() { throw end(reason) }
        guard steps <= left else { throw end(.exhausted(limit: limit)) }
        let rest = left - steps
        untilLook = min(rest, Self.interval)
        beyond = rest - untilLook
    }

    /// Before so much memory is allocated that its size depends on input: the first of it is free, the rest is asked for.
    ///
    /// - Parameter bytes: not negative.
    func take(bytes: Int) throws(WorkStopped) {
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

    /// So many of the bytes that were taken are free again.
    func giveBack(bytes: Int) { taken -= bytes }

    private func end(_ reason: WorkStopped) -> WorkStopped {
        (stopped, untilLook, beyond) = (reason, 0, 0)
        return reason
    }

    /// A budget for a part of the work that may take only so many steps; they are to be spent here too. What it takes of memory is taken
    /// here.
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

/// Why a computation was ended before it was done. Nothing of it counts.
public enum WorkStopped: Error, Sendable, Equatable {
    /// It would take more steps than it may.
    case exhausted(limit: Int)
    /// The caller's deadline has passed.
    case deadline
    /// The caller has cancelled it.
    case cancelled
    /// The server stops.
    case stopping
    /// There is no memory for it: why. Indirect, since every function that counts has room for what it throws in its frame.
    indirect case refused(StateError)
}

extension StateError {
    public init(_ stopped: WorkStopped) {
        switch stopped {
        case .exhausted(let limit): self = .workLimitExceeded(limit: limit)
        case .deadline: self = .deadlineExceeded(outcomeUnknown: false)
        case .cancelled: self = .cancelled
        case .stopping:
            self = .databaseUnavailable(
                message: "this server is shutting down", outcomeUnknown: false, retryAfterMilliseconds: Self.restartMilliseconds)
        case .refused(let error): self = error
        }
    }

    /// How soon another server may answer in place of one that stops.
    private static var restartMilliseconds: Int64 { 1_000 }

    /// What a computation gives, or why it was stopped as an error of the request.
    public static func counting<Value>(_ body: () throws(WorkStopped) -> Value) throws(StateError) -> Value {
        do throws(WorkStopped) {
            return try body()
        } catch {
            throw StateError(error)
        }
    }
}
