/// When the delivery of a notification is tried again: pauses are doubled from a second up to an hour, each drawn from the upper half, so
/// that what failed together does not return together.
public struct DeliverySchedule: Sendable {
    /// Attempts at most, the first one among them.
    public let attempts: Int

    private static let firstPause = 1.0
    private static let longestPause = 3_600.0

    public init(attempts: Int) { self.attempts = attempts }

    /// Whether the attempt of this number, from 1, may be made. One that was begun and never ended counts, so that a server which dies of a
    /// notification does not die of it for ever.
    public func allows(attempt: Int) -> Bool { attempt <= attempts }

    /// Seconds from the failure of an attempt to the next one; nil: there is none.
    public func pause(afterAttempt attempt: Int, using generator: inout some RandomNumberGenerator) -> Double? {
        guard allows(attempt: attempt + 1) else { return nil }
        var pause = Self.firstPause
        for _ in 1..<max(attempt, 1) where pause < Self.longestPause { pause *= 2 }
        return min(pause, Self.longestPause) * Double.random(in: 0.5...1, using: &generator)
    }
}
