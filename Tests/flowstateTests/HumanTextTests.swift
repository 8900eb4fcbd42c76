import Testing

@testable import flowstate

@Suite struct HumanTextTests {
    @Test(arguments: [(Int64(0), "0"), (999, "999"), (1_000, "1,000"), (-1_234_567, "-1,234,567"), (.min, "-9,223,372,036,854,775,808")])
    func counts(_ number: Int64, _ text: String) { #expect(HumanText.count(number) == text) }

    @Test(arguments: [
        (Int64(0), "0 B"), (999, "999 B"), (1_000, "0.98 KiB"), (1_536, "1.5 KiB"), (130 << 20, "130 MiB"), (.max, "8,192 PiB"),
    ])
    func bytes(_ number: Int64, _ text: String) { #expect(HumanText.bytes(number) == text) }

    @Test(arguments: [
        (0.0, "0"), (3.14159, "3.14"), (12.04, "12"), (1_234.5, "1,235"), (0.000_012, "0.000012"), (1e-9, "<0.000001"),
        (Double.infinity, "inf"),
        (Double.nan, "nan"), (1e300, "1e+300"),
    ])
    func rates(_ number: Double, _ text: String) { #expect(HumanText.rate(number) == text) }

    @Test(arguments: [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %"), (0.123_45, "12.3 %"), (0.000_1, "<0.1 %"), (-Double.infinity, "-inf %")])
    func shares(_ share: Double, _ text: String) { #expect(HumanText.share(share) == text) }

    @Test(arguments: [
        (Duration?.none, ""), (.zero, "0 ms"), (.microseconds(1_240), "1.2 ms"), (.milliseconds(340), "340 ms"), (.seconds(12.5), "12.5 s"),
        (.seconds(59.96), "1m 00s"), (.seconds(200), "3m 20s"), (.seconds(7_500), "2h 05m"), (.seconds(356_400), "4d 03h"),
        (.seconds(-5), "0 ms"), (.seconds(Int64.max), "11,574,074d 01h"),
    ])
    func durations(_ duration: Duration?, _ text: String) { #expect(HumanText.duration(duration) == text) }

    @Test(arguments: [("90s", Duration?.some(.seconds(90))), ("15m", .seconds(900)), ("7d", .seconds(604_800)), ("0h", .zero)])
    func timesOnTheCommandLine(_ text: String, _ duration: Duration?) { #expect(TimeSpan(argument: text)?.duration == duration) }

    @Test(arguments: ["", "s", "5", "5w", "-1h", "+1h", "1.5h", "１h", "99999999999999999999d", "9223372036854775807d"])
    func noTimesOnTheCommandLine(_ text: String) { #expect(TimeSpan(argument: text) == nil) }
}
