import Resources
import Testing

@testable import FlowServer

@Suite struct TrimmingRuleTests {
    private let begin = Instant.now
    private let mebibyte = 1 << 20

    private func isDue(_ rule: inout TrimmingRule, resident: Int, reserved: Int, released: Int, now: Instant) -> Bool {
        rule.isDue(resident: resident, reserved: reserved, released: released, isExcessive: false, now: now)
    }

    @Test func muchMoreThanAfterTheLastTime() {
        var rule = TrimmingRule(resident: 100 * mebibyte, now: begin)
        #expect(!isDue(&rule, resident: 132 * mebibyte - 1, reserved: 0, released: 0, now: begin))
        #expect(isDue(&rule, resident: 132 * mebibyte, reserved: 16 * mebibyte - 1, released: 0, now: begin))
        #expect(!isDue(&rule, resident: 132 * mebibyte, reserved: 16 * mebibyte, released: 0, now: begin))
        rule.trimmed(from: 150 * mebibyte, to: 120 * mebibyte, released: 0, now: begin)
        #expect(!isDue(&rule, resident: 132 * mebibyte, reserved: 0, released: 0, now: begin))
        // It counts from the least since then.
        #expect(!isDue(&rule, resident: 100 * mebibyte, reserved: 0, released: 0, now: begin))
        #expect(isDue(&rule, resident: 132 * mebibyte, reserved: 0, released: 0, now: begin))
    }

    /// What was in use at the last time is free now, and no more is resident than then.
    @Test func muchWasLetGoOfSinceTheLastTime() {
        var rule = TrimmingRule(resident: 150 * mebibyte, now: begin)
        let later = begin + .seconds(10)
        #expect(!isDue(&rule, resident: 150 * mebibyte, reserved: 0, released: 32 * mebibyte - 1, now: later))
        #expect(isDue(&rule, resident: 150 * mebibyte, reserved: 0, released: 32 * mebibyte, now: later))
        #expect(
            !isDue(&rule, resident: 150 * mebibyte, reserved: 0, released: 32 * mebibyte, now: later - .milliseconds(1)))
        #expect(!isDue(&rule, resident: 150 * mebibyte, reserved: 32 * mebibyte, released: .max, now: later))
        rule.trimmed(from: 150 * mebibyte, to: 80 * mebibyte, released: .max, now: later)
        // The counter begins anew.
        #expect(!isDue(&rule, resident: 80 * mebibyte, reserved: 0, released: .min, now: later + .seconds(10)))
        #expect(
            isDue(&rule, resident: 80 * mebibyte, reserved: 0, released: .min + 32 * mebibyte, now: later + .seconds(10)))
    }

    /// At once, then not before a while, and a longer one when it was in vain.
    @Test func moreIsResidentThanIsExplained() {
        var rule = TrimmingRule(resident: 150 * mebibyte, now: begin)
        func isDue(after pause: Duration) -> Bool {
            rule.isDue(resident: 150 * mebibyte, reserved: 100 * mebibyte, released: 0, isExcessive: true, now: begin + pause)
        }
        #expect(!isDue(after: .milliseconds(249)))
        #expect(isDue(after: .milliseconds(250)))
        rule.trimmed(from: 150 * mebibyte, to: 142 * mebibyte, released: 0, now: begin)
        #expect(!isDue(after: .milliseconds(249)))
        #expect(isDue(after: .milliseconds(250)))
        rule.trimmed(from: 150 * mebibyte, to: 142 * mebibyte + 1, released: 0, now: begin)
        #expect(!isDue(after: .milliseconds(4_999)))
        #expect(isDue(after: .seconds(5)))
    }
}
