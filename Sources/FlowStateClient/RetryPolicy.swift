/// How often a client repeats a call that failed for a reason that may pass: UNAVAILABLE, or a server that is overloaded.
///
/// Calls that only read are repeated, and changes that have an idempotency key, which makes a repetition safe: the client gives one to every
/// request that can have one. Changes that cannot have one are not repeated.
public struct RetryPolicy: Sendable, Equatable {
    /// The first one included.
    public var attempts: Int

    /// A policy of so many attempts, the first one included; one or less: no repetition.
    public init(attempts: Int) { self.attempts = attempts }

    /// Within a second or so, or the time that servers ask for.
    public static let standard = RetryPolicy(attempts: 5)
    /// Each call is made once, and with the idempotency keys that it has.
    public static let never = RetryPolicy(attempts: 1)
}

/// A request that may have an idempotency key.
protocol IdempotentRequest {
    var idempotencyKey: String { get set }
}
