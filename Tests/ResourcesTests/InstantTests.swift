import Testing

@testable import Resources

@Suite struct InstantTests {
    @Test func theClockRunsForward() {
        let start = Instant.now
        let end = Instant.now
        #expect(start <= end && end - start < .seconds(60) && end - start >= .zero)
    }

    @Test(arguments: [0, 1, -1, 1_500_000_000, -1_500_000_000, 86_400_000_000_000])
    func durationsAreAddedAndTakenAway(_ nanoseconds: Int64) {
        let (instant, duration) = (Instant(nanoseconds: 7_000_000_000), Duration.nanoseconds(nanoseconds))
        #expect((instant + duration).nanoseconds == 7_000_000_000 + nanoseconds)
        #expect((instant - duration).nanoseconds == 7_000_000_000 - nanoseconds)
        #expect((instant + duration) - instant == duration)
        #expect((instant + duration > instant) == (nanoseconds > 0))
    }

    /// A deadline that a client chose may lie as far away as it likes.
    @Test func nothingOverflows() {
        let (first, last) = (Instant(nanoseconds: .min), Instant(nanoseconds: .max))
        for duration in [Duration.nanoseconds(Int64.max), .seconds(Int64.max), .milliseconds(Int64.max)] {
            #expect(last + duration == last && Instant.now + duration == last)
            #expect(first - duration == first && first + .zero - duration == first)
        }
        #expect(first + .seconds(Int64.min) == first && last - .seconds(Int64.min) == last)
        #expect(last - first == .nanoseconds(Int64.max) && first - last == .nanoseconds(Int64.min))
    }
}
