import Protobuf
import Testing
import WireMessages

@Suite struct DecodingTests {
    @Test func nothingIsAMessageOfDefaults() throws {
        #expect(try SaveStateRequest.decode([]) == SaveStateRequest())
        #expect(SaveStateRequest().encoded().isEmpty)
    }

    @Test func aSaveKeepsEveryField() throws {
        let save = SaveStateRequest(
            flowID: "flow", flowType: "order", change: .jsonPatch(Array("[]".utf8)), contentType: "application/json",
            precondition: .expectedVersion(0), phase: "draft", status: "running", progress: 0,
            labels: ["b": "2", "a": ""], versionLabel: "first", parentVersion: 3, metadata: [0, 255],
            checkpoint: CheckpointSpec(), writes: [PendingWrite(taskID: "t", index: -2, value: [1])],
            leaseToken: .max, idempotencyKey: "key")
        #expect(try SaveStateRequest.decode(save.encoded()) == save)
    }

    @Test func anEmptyMemberOfAOneofIsSet() throws {
        let save = SaveStateRequest(change: .state([]), precondition: .anyVersion(false))
        let decoded = try SaveStateRequest.decode(save.encoded())
        #expect(decoded.change == .state([]))
        #expect(decoded.precondition == .anyVersion(false))
        #expect(try LoadStateRequest.decode(LoadStateRequest(selector: .time(Timestamp())).encoded()).selector == .time(Timestamp()))
    }

    @Test func durationsAreExact() throws {
        for duration in [Duration.zero, .milliseconds(1500), .milliseconds(-1500), .nanoseconds(1), .seconds(-315_576_000_000)] {
            let lease = AcquireLeaseRequest(ttl: duration)
            #expect(try AcquireLeaseRequest.decode(lease.encoded()).ttl == duration)
        }
    }

    @Test(arguments: [
        (Int64(1), Int32(-1)), (-1, 1), (0, 1_000_000_000), (0, -1_000_000_000), (315_576_000_001, 0), (-315_576_000_001, 0), (.max, .max),
        (.min, .min),
    ])
    func whatIsNoDurationIsRefusedWithTheFieldsName(seconds: Int64, nanos: Int32) {
        let duration = [8] + varint(UInt64(bitPattern: seconds)) + [16] + varint(UInt64(bitPattern: Int64(nanos)))
        #expect(throws: WireError.invalidDuration(field: "ttl")) {
            try AcquireLeaseRequest.decode([0x1A, UInt8(duration.count)] + duration)
        }
    }

    @Test func aDurationLongerThanProtobufsIsCut() throws {
        for (duration, cut) in [(Duration.seconds(Int64.max), Int64(315_576_000_000)), (.seconds(Int64.min), -315_576_000_000)] {
            #expect(try AcquireLeaseRequest.decode(AcquireLeaseRequest(ttl: duration).encoded()).ttl == .seconds(cut))
        }
    }

    private func varint(_ value: UInt64) -> [UInt8] {
        value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7F) | 0x80] + varint(value >> 7)
    }

    @Test func invalidUTF8IsRefusedWithTheFieldsName() {
        // flow_id = 0xFF; then labels { key "k", value = an encoded surrogate }
        #expect(throws: WireError.invalidUTF8(field: "flow_id")) { try SaveStateRequest.decode([0x0A, 1, 0xFF]) }
        #expect(throws: WireError.invalidUTF8(field: "value")) {
            try SaveStateRequest.decode([0x62, 8, 0x0A, 1, 0x6B, 0x12, 3, 0xED, 0xA0, 0x80])
        }
    }

    @Test func aNULStaysInItsString() throws {
        #expect(try SaveStateRequest.decode([0x0A, 3, 0x61, 0, 0x62]).flowID == "a\0b")
    }

    @Test func ofAKeyThatIsThereTwiceTheLastOneCounts() throws {
        let twice: [UInt8] = [0x62, 6, 0x0A, 1, 0x6B, 0x12, 1, 0x31, 0x62, 6, 0x0A, 1, 0x6B, 0x12, 1, 0x32]
        #expect(try SaveStateRequest.decode(twice).labels == ["k": "2"])
    }

    @Test func unknownFieldsAreDropped() throws {
        let unknown: [UInt8] = [0xF8, 0x7F, 1, 0xFA, 0x7F, 2, 9, 9]  // field 2047: a varint, then two bytes
        #expect(try SaveStateRequest.decode([0x0A, 1, 0x61] + unknown) == SaveStateRequest(flowID: "a"))
    }

    @Test func unknownEnumValuesAreKept() throws {
        let list = try ListFlowsRequest.decode([0x10, 0x63])
        #expect(list.order == .unrecognized(99))
        #expect(list.encoded() == [0x10, 0x63])
    }

    @Test func bytesThatAreNoMessageAreMalformed() {
        #expect(throws: WireError.malformed) { try SaveStateRequest.decode([0x0A, 5, 0x61]) }
        #expect(throws: WireError.malformed) { try SaveStateRequest.decode([0xFF]) }
        #expect(throws: WireError.malformed) { try SaveStateRequest.decode([0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]) }
    }

    @Test func manySmallSubmessagesHitTheCeiling() throws {
        let bytes = [UInt8]((0..<1000).flatMap { _ in [0x8A, 0x01, 0] as [UInt8] })  // writes: 1,000 empty ones
        #expect(try SaveStateRequest.decode(bytes).writes.count == 1000)
        #expect(throws: WireError.tooMuchMemory(limit: 20_000)) { try SaveStateRequest.decode(bytes, ceiling: 20_000) }
        #expect(throws: WireError.tooMuchMemory(limit: 0)) { try SaveStateRequest.decode(bytes, ceiling: 0) }
        let flood = [UInt8]((0..<1_000_000).flatMap { _ in [0x8A, 0x01, 0] as [UInt8] })
        #expect(throws: WireError.tooMuchMemory(limit: Arena.ceiling(wireBytes: flood.count))) {
            try SaveStateRequest.decode(flood)
        }
    }

    @Test func aLargeStateFitsUnderTheCeiling() throws {
        let save = SaveStateRequest(change: .state([UInt8](repeating: 7, count: 16 << 20)))
        #expect(try SaveStateRequest.decode(save.encoded()) == save)
    }

    @Test func aPackerWritesIntoTheCallersBuffer() {
        let load = LoadStateRequest(flowID: "flow", selector: .version(7), ifVersionNot: 3)
        var buffer = [UInt8](repeating: 0xEE, count: 64)
        let size = load.withPacker { packer in
            buffer.withUnsafeMutableBytes { packer.pack(into: $0) }
            return packer.size
        }
        #expect(Array(buffer[..<size]) == load.encoded())
        #expect(buffer[size...].allSatisfy { $0 == 0xEE })
    }

    @Test func anyKnowsWhatItHolds() throws {
        let any = AnyMessage(packing: VersionConflict(expected: 3, actual: 5))
        #expect(any.typeURL == "type.googleapis.com/flowstate.v1.VersionConflict")
        #expect(try any.unpack(as: VersionConflict.self) == VersionConflict(expected: 3, actual: 5))
        #expect(try any.unpack(as: LeaseLost.self) == nil)
        #expect(try AnyMessage(typeURL: "flowstate.v1.LeaseLost").unpack(as: LeaseLost.self) == nil)
    }
}
