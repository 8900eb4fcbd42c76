import FlowModel
import Testing
import WireMessages

@testable import FlowService

@Suite struct ConversionTests {
    private typealias Wire = WireMessages.Timestamp

    /// `first` is what a filter begins with or ends before, `last` the newest time that a load may show.
    @Test(arguments: [
        (Int64(0), Int32(0), Int64(0), Int64(0)), (0, 1, 1, 0), (0, 999, 1, 0), (0, 1_000, 1, 1), (0, 1_001, 2, 1),
        (-1, 999_999_999, 0, -1),
        (-1, 1, -999_999, -1_000_000), (-62_135_596_800, 0, -62_135_596_800_000_000, -62_135_596_800_000_000),
        (253_402_300_799, 999_999_000, 253_402_300_799_999_999, 253_402_300_799_999_999),
        // No flow is as new.
        (253_402_300_799, 999_999_001, 253_402_300_799_999_999, 253_402_300_799_999_999),
    ])
    func timesFinerThanAMicrosecondAreExact(seconds: Int64, nanos: Int32, first: Int64, last: Int64) throws {
        let time = Wire(seconds: seconds, nanos: nanos)
        #expect(try FlowModel.Timestamp(notBefore: time, field: "t").microseconds == first)
        #expect(try FlowModel.Timestamp(time, field: "t").microseconds == last)
        let range = try TimeRange(after: time, before: time, field: "t")
        #expect(range.start?.microseconds == first && range.end?.microseconds == first)
    }

    @Test(arguments: [
        (Int64(-62_135_596_801), Int32(0)), (-62_135_596_801, 999_999_999), (253_402_300_800, 0), (0, -1), (0, 1_000_000_000), (.max, .max),
        (.min, .min),
    ])
    func whatIsNoTimeIsRefused(seconds: Int64, nanos: Int32) {
        let time = Wire(seconds: seconds, nanos: nanos)
        let refusal = StateError.invalidArgument(field: "t", message: "must be a time between the years 1 and 9999")
        #expect(throws: refusal) { try FlowModel.Timestamp(time, field: "t") }
        #expect(throws: refusal) { try FlowModel.Timestamp(notBefore: time, field: "t") }
    }

    @Test func timesComeBackAsTheyWere() throws {
        for microseconds in [
            0, 1, -1, 1_500_000, -1_500_000, FlowModel.Timestamp.earliest.microseconds, FlowModel.Timestamp.latest.microseconds,
        ] {
            let time = FlowModel.Timestamp(microseconds: microseconds)
            #expect(try FlowModel.Timestamp(time.message, field: "t") == time)
        }
    }
}
