import Foundation
import TestSupport
import Testing

@testable import JSON

@Suite struct RFC3339Tests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0, 0), ("2026-03-01T09:30:00.25Z", 1_772_357_400, 250_000_000),
        ("2026-03-01t10:30:00+01:00", 1_772_357_400, 0), ("2026-03-01 04:00:00-05:30", 1_772_357_400, 0),
        ("1969-12-31T23:59:59.999999999Z", -1, 999_999_999), ("2000-02-29T00:00:00z", 951_782_400, 0),
        ("0001-01-01T00:00:00Z", -62_135_596_800, 0), ("9999-12-31T23:59:59Z", 253_402_300_799, 0),
        ("2026-03-01T09:30:00.1234567899Z", 1_772_357_400, 123_456_789),
    ])
    func reads(_ text: String, _ seconds: Int64, _ nanos: Int32) {
        let time = RFC3339.parse(text)
        #expect(time?.seconds == seconds)
        #expect(time?.nanoseconds == nanos)
    }

    @Test(arguments: [
        "", "now", "2026-03-01", "2026-03-01T09:30Z", "2026-03-01T09:30:00", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-03-00T00:00:00Z",
        "2026-03-01T24:00:00Z", "2026-03-01T09:60:00Z", "2026-03-01T09:30:60Z", "2026-03-01T09:30:00.Z",
        "2026-03-01T09:30:00+1:00", "2026-03-01T09:30:00+24:00", "2026-03-01T09:30:00Zx", "2026-3-01T09:30:00Z",
        "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "２026-03-01T09:30:00Z",
        "-026-03-01T09:30:00Z", "2026-03-01T09:30:00,5Z",
    ])
    func refuses(_ text: String) { #expect(RFC3339.parse(text) == nil) }

    @Test func whatIsNoTimeIsWrittenAsTheNearestOne() {
        #expect(RFC3339.text(seconds: .min, nanoseconds: .min) == "0001-01-01T00:00:00.000000Z")
        #expect(RFC3339.text(seconds: .max, nanoseconds: .max) == "9999-12-31T23:59:59.999999Z")
        #expect(RFC3339.shortText(seconds: .max) == "9999-12-31 23:59:59Z")
    }

    @Test func writesMicroseconds() {
        #expect(RFC3339.text(seconds: 1_772_357_400, nanoseconds: 1_999) == "2026-03-01T09:30:00.000001Z")
        #expect(RFC3339.text(seconds: -1, nanoseconds: 999_999_999) == "1969-12-31T23:59:59.999999Z")
        #expect(RFC3339.shortText(seconds: 1_772_357_400) == "2026-03-01 09:30:00Z")
    }

    /// Against Foundation, from 1600 (before 1582 it counts in the Julian calendar) to 9999.
    @Test func agreesWithFoundation() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        let formatter = ISO8601DateFormatter()
        for _ in 0..<2_000 {
            let seconds = Int64.random(in: -11_676_096_000...253_402_300_799, using: &random)
            let theirs = formatter.string(from: Date(timeIntervalSince1970: TimeInterval(seconds)))
            #expect(RFC3339.parse(theirs)?.seconds == seconds, "seed \(seed)")
            let ours = RFC3339.text(seconds: seconds, nanoseconds: 0)
            #expect(ours == theirs.replacing("Z", with: ".000000Z"), "seed \(seed)")
        }
    }
}
