/// The retry schedule of deliveries: pauses double from a second up to an hour, each drawn from the upper half, so that deliveries that
/// failed together are not retried together.
package struct DeliverySchedule: Sendable {
    /// The most attempts, the first one included.
    package let attempts: Int

    private static let firstPause = 1.0
    private static let longestPause = 3_600.0

    package init(attempts: Int) { self.attempts = attempts }

    /// Whether the attempt of this number, from 1, may be made. An attempt that began and never ended counts, so that a notification that
    /// crashes the server does not crash it for ever.
    package func allows(attempt: Int) -> Bool { attempt <= attempts }

    /// Seconds from the failure of an attempt to the next one; nil: no further attempt.
    package func pause(afterAttempt attempt: Int, using generator: inout some RandomNumberGenerator) -> Double? {
        guard allows(attempt: attempt + 1) else { return nil }
        var pause = Self.firstPause
        for _ in 1..<max(attempt, 1) where pause < Self.longestPause { pause *= 2 }
        return min(pause, Self.longestPause) * Double.random(in: 0.5...1, using: &generator)
    }
}
