import FlowModel
import GRPC
import Protobuf
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

/// A cached snapshot is answered from parts; nobody can tell.
@Suite struct LoadAnswerTests {
    private func snapshot(state: [UInt8], flowID: String = "f", isKept: Bool) -> FlowModel.Snapshot {
        let time = FlowModel.Timestamp(microseconds: 1_700_000_000_123_456)
        let head = FlowHead(
            key: FlowKey(stored: "t", flowID: flowID), flowType: "type", version: 7, phase: "p", status: "s", progress: 0.5,
            labels: Labels([Labels.Entry(name: "a", value: "b")]), createdAt: time, updatedAt: time, deletedAt: nil, definitionRevision: 3)
        let version = VersionRecord(
            version: 7, parentVersion: 6, kind: .saved, actor: "me", contentType: "application/json", size: Int64(state.count),
            digest: Array(0..<16), phase: "p", status: "s", progress: 0.5, versionLabel: "l", metadata: Array("{}".utf8), createdAt: time,
            checkpoints: ["c"])
        return FlowModel.Snapshot(head: head, version: version, state: state, isKept: isKept)
    }

    @Test(arguments: [0, 1, 127, 128, 2_048, 16_383, 16_384, 70_000], [1, 127, 128, 255])
    func isEncodedAsTheMessageWouldBe(_ size: Int, _ nameLength: Int) {
        let state = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
        let flowID = String(repeating: "f", count: nameLength)
        let plain = LoadOutcome.snapshot(snapshot(state: state, flowID: flowID, isKept: false))
        let kept = LoadOutcome.snapshot(snapshot(state: state, flowID: flowID, isKept: true))
        let message = FramedMessage(encoding: LoadState.response(plain, flowID: flowID))
        #expect(LoadState.framed(plain, flowID: flowID) == message)
        for _ in 0..<2 { #expect(LoadState.framed(kept, flowID: flowID) == message) }
    }

    @Test func isEncodedOnce() {
        let snapshot = snapshot(state: [1, 2, 3], isKept: true)
        let message = LoadState.framed(.snapshot(snapshot), flowID: "f")
        var hasEncoded = false
        let beginning = snapshot.encodedOnce {
            hasEncoded = true
            return []
        }
        #expect(!hasEncoded && beginning?.isEmpty == false && LoadState.framed(.snapshot(snapshot), flowID: "f") == message)
    }

    @Test func aFieldBeginsWithItsTagAndLength() throws {
        let field = try #require(FieldStart("state", of: WireMessages.Snapshot.self))
        for length in [0, 1, 127, 128, 16_383, 16_384, 1 << 21, 1 << 28, .max] {
            var bytes = [UInt8](repeating: 0xEE, count: 16)
            let written = bytes.withUnsafeMutableBytes { field.write(length, into: $0) }
            #expect(written == field.size(length) && bytes[0] == 0x1A && bytes[written] == 0xEE && bytes[written - 1] < 0x80)
        }
        #expect(FieldStart("nothing", of: WireMessages.Snapshot.self) == nil)
    }
}
