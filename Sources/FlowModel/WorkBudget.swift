/// Counts the steps of a computation whose time its input decides, and ends it when it has taken too many, when its call has ended (by its
/// deadline or by cancellation), or when the server stops.
///
/// A step is what takes about a tenth of a microsecond in a release build, on a slow machine: to look at one value, or to go through 16
/// bytes. What takes longer is charged several. One budget is for one call, whatever that computes; it is used by one thread at a time.
public final class WorkBudget {
    /// Steps that may be taken before the next look around, and those beyond; what is left is both together.
    private var untilLook = 0
    private var beyond: Int
    private let limit: Int
    private let interruption: () -> WorkStopped?
    /// Why it ended. It stays so: what is left undone must not pass for done.
    private var stopped: WorkStopped?

    /// Steps between two looks at the interruption: less than a millisecond.
    private static let interval = 4_096

    /// - Parameters:
    ///   - steps: `Limits.work`, unless a caller may take less.
    ///   - interruption: asked every few thousand steps: the deadline has passed, the call was cancelled, the server stops. It reads the
    ///     clock, so that nothing here has to.
    public init(steps: Int, interruption: @escaping () -> WorkStopped? = { nil }) {
        limit = max(0, steps)
        beyond = limit
        self.interruption = interruption
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

    private func end(_ reason: WorkStopped) -> WorkStopped {
        (stopped, untilLook, beyond) = (reason, 0, 0)
        return reason
    }

    /// A budget for a part of the work that may take only so many steps; they are to be spent here too.
    func part(steps: Int) -> WorkBudget { WorkBudget(steps: min(steps, left), interruption: interruption) }
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
