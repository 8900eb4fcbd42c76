import FlowModel
import Testing
import WireMessages

@testable import FlowTransfer

@Suite struct RenumberingTests {
    @Test func withoutGapsNumbersStay() {
        var numbering = Renumbering()
        #expect((1...5).map { numbering.add($0) } == [1, 2, 3, 4, 5])
        #expect(!numbering.changesNumbers && numbering.count == 5)
        #expect((0...6).map { numbering.imported($0) } == [nil, 1, 2, 3, 4, 5, nil])
    }

    @Test func gapsAreClosed() {
        var numbering = Renumbering()
        #expect([3, 4, 7, 9, 10].map { numbering.add($0) } == [1, 2, 3, 4, 5])
        #expect(numbering.changesNumbers)
        #expect((1...11).map { numbering.imported($0) } == [nil, nil, 1, 2, nil, nil, 3, nil, 4, 5, nil])
    }

    @Test func numbersMayBeAsLargeAsTheyGet() {
        var numbering = Renumbering()
        #expect(numbering.add(1) == 1 && numbering.add(.max) == 2)
        #expect(numbering.imported(.max) == 2 && numbering.imported(.max - 1) == nil && numbering.imported(.min) == nil)
    }
}

@Suite struct VersionOriginTests {
    private static let origin =
        #""flowstate_archive":{"version":7,"parent_version":6,"event":"saved","actor":"ada","created_at":"1970-01-01T00:00:01.000002Z""#

    private func metadata(_ metadata: String, _ limits: Limits = Limits()) -> String? {
        let info = VersionInfo(
            version: 7, parentVersion: 6, event: .saved, actor: "ada", metadata: Array(metadata.utf8),
            createdAt: Timestamp(seconds: 1, nanos: 2_000))
        return VersionOrigin.metadata(of: info, limits: limits).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func aMemberIsAdded() {
        #expect(metadata("") == "{\(Self.origin)}}")
        #expect(metadata("{ }") == "{ \(Self.origin)}}")
        #expect(metadata(" {\"a\" : 1.50, \"\\ud800\":[]}\n") == "{\"a\" : 1.50, \"\\ud800\":[],\(Self.origin)}}")
    }

    @Test func whatIsNoObjectGoesIntoTheMember() {
        #expect(metadata(" [1e400, \"x\"]") == "{\(Self.origin),\"metadata\":[1e400, \"x\"]}}")
        #expect(metadata("null") == "{\(Self.origin),\"metadata\":null}}")
        #expect(metadata("not \"JSON") == "{\(Self.origin),\"metadata\":\"not \\\"JSON\"}}")
        #expect(metadata("") == "{\(Self.origin)}}")
    }

    @Test func theOldestOriginStays() {
        let there = #"{"flowstate_archive": 1}"#
        #expect(metadata(there) == there)
    }

    @Test func whatServersWouldRefuseIsNotMade() {
        var limits = Limits()
        limits.metadataBytes = 200
        #expect(metadata("{\"a\":\"\(String(repeating: "x", count: 150))\"}", limits) == nil)
        limits.jsonDepth = 2
        #expect(metadata("[[1]]", limits) == nil)
        #expect(metadata("{\"a\":[1]}", limits) != nil)
    }

    /// An error may have more details than a client's metadata has room for.
    @Test func whatIsTooLongGoesWithoutDetails() {
        var info = VersionInfo(event: .errorReported)
        let long = String(repeating: "x", count: 65_000)
        info.metadata = Array("{\"phase\":\"p\",\"error\":\"e\",\"details\":\"\(long)\"}".utf8)
        #expect(VersionOrigin.shortened(info, limits: Limits()) == info.metadata)
        info.metadata = Array("{\"phase\":\"p\",\"error\":\"e\",\"details\":\"\(long)\(long)\"}".utf8)
        let short = String(decoding: VersionOrigin.shortened(info, limits: Limits()), as: UTF8.self)
        #expect(short.hasPrefix("{\"phase\":\"p\",\"error\":\"e\",\"\(VersionOrigin.member)\":{") && !short.contains("details"))
        // What a client wrote is not cut.
        info.event = .saved
        #expect(VersionOrigin.shortened(info, limits: Limits()) == info.metadata)
    }
}
