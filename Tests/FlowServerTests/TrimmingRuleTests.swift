import Testing

@testable import FlowServer

@Suite struct TrimmingRuleTests {
    private let begin = ContinuousClock.now
    private let mebibyte = 1 << 20

    @Test func muchMoreThanAfterTheLastTime() {
        var rule = TrimmingRule(resident: 100 * mebibyte, now: begin)
        #expect(!rule.isDue(resident: 132 * mebibyte - 1, reserved: 0, released: 0, isLacking: false, now: begin))
        #expect(rule.isDue(resident: 132 * mebibyte, reserved: 16 * mebibyte - 1, released: 0, isLacking: false, now: begin))
        #expect(!rule.isDue(resident: 132 * mebibyte, reserved: 16 * mebibyte, released: 0, isLacking: false, now: begin))
        rule.trimmed(resident: 120 * mebibyte, released: 0, now: begin)
        #expect(!rule.isDue(resident: 132 * mebibyte, reserved: 0, released: 0, isLacking: false, now: begin))
        // It counts from the least since then.
        #expect(!rule.isDue(resident: 100 * mebibyte, reserved: 0, released: 0, isLacking: false, now: begin))
        #expect(rule.isDue(resident: 132 * mebibyte, reserved: 0, released: 0, isLacking: false, now: begin))
    }

    /// What was in use at the last time is free now, and no more is resident than then.
    @Test func muchWasLetGoOfSinceTheLastTime() {
        var rule = TrimmingRule(resident: 150 * mebibyte, now: begin)
        let later = begin + .seconds(10)
        #expect(!rule.isDue(resident: 150 * mebibyte, reserved: 0, released: 32 * mebibyte - 1, isLacking: false, now: later))
        #expect(rule.isDue(resident: 150 * mebibyte, reserved: 0, released: 32 * mebibyte, isLacking: false, now: later))
        #expect(
            !rule.isDue(resident: 150 * mebibyte, reserved: 0, released: 32 * mebibyte, isLacking: false, now: later - .milliseconds(1)))
        #expect(!rule.isDue(resident: 150 * mebibyte, reserved: 32 * mebibyte, released: .max, isLacking: false, now: later))
        rule.trimmed(resident: 80 * mebibyte, released: .max, now: later)
        // The counter begins anew.
        #expect(!rule.isDue(resident: 80 * mebibyte, reserved: 0, released: .min, isLacking: false, now: later + .seconds(10)))
        #expect(
            rule.isDue(resident: 80 * mebibyte, reserved: 0, released: .min + 32 * mebibyte, isLacking: false, now: later + .seconds(10)))
    }

    @Test func requestsWereRefusedForWantOfIt() {
        var rule = TrimmingRule(resident: 150 * mebibyte, now: begin)
        #expect(rule.isDue(resident: 150 * mebibyte, reserved: 100 * mebibyte, released: 0, isLacking: true, now: begin))
    }
}
