import FlowModel
import TestSupport
import Testing

@testable import JSON

struct NameTests {
    @Test func keysHoldAnyNameWithoutControlCharacters() throws {
        for name in ["a", String(repeating: "x", count: 255), String(repeating: "é", count: 127), "🦊/\\ \"'", "\u{A0}", "\u{10FFFF}"] {
            let key = try FlowKey(tenant: "default", flowID: name, limits: .defaults)
            #expect(key.flowID == name)
        }
    }

    @Test(arguments: [
        "", String(repeating: "x", count: 256), String(repeating: "é", count: 128), "a\0b", "\n", "a\u{1F}", "\u{7F}", "\u{80}", "x\u{9F}y",
    ])
    func keysRefuseTheRest(_ name: String) {
        for field in ["flow_id", "tenant"] {
            let error = #expect(throws: StateError.self) {
                try field == "tenant"
                    ? FlowKey(tenant: name, flowID: "f", limits: .defaults) : FlowKey(tenant: "t", flowID: name, limits: .defaults)
            }
            guard case .invalidArgument(field, _) = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
    }

    @Test(arguments: [[0x61, 0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0x61, 0x00], []] as [[UInt8]]) func bytesThatAreNoName(
        _ bytes: [UInt8]
    ) {
        #expect(throws: StateError.self) { try NameRule.name(fromUTF8: bytes, field: "flow_id", maximumBytes: 255) }
    }

    @Test func bytesThatAreAName() throws {
        #expect(try NameRule.name(fromUTF8: Array("é".utf8), field: "flow_id", maximumBytes: 255) == "é")
        #expect(try NameRule.name(fromUTF8: [UInt8](), field: "phase", maximumBytes: 255, mayBeEmpty: true) == "")
    }

    @Test func keysAreComparedByBytes() throws {
        let composed = try FlowKey(tenant: "t", flowID: "\u{E9}", limits: .defaults)
        let decomposed = try FlowKey(tenant: "t", flowID: "e\u{301}", limits: .defaults)
        #expect(composed.flowID == decomposed.flowID)
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed]).count == 2)
        #expect(Labels(["\u{E9}": "1", "e\u{301}": "2"]).entries.count == 2)
    }

    @Test func labelsAreSortedAndTheLastOneWins() throws {
        let labels = Labels(["b": "1", "a": "2", "b": "3"])
        #expect(labels.entries == [Labels.Entry(name: "a", value: "2"), Labels.Entry(name: "b", value: "3")])
        #expect(labels == Labels(["a": "2", "b": "3"]) && labels["b"] == "3" && labels["c"] == nil)
    }

    @Test func labelsAreBounded() throws {
        let limits = Limits()
        func labels(_ count: Int) -> Labels { Labels((0..<count).map { Labels.Entry(name: "\($0)", value: "") }) }
        try labels(64).check(limits: limits)
        #expect(throws: StateError.self) { try labels(65).check(limits: limits) }
        try Labels([String(repeating: "n", count: 256): String(repeating: "v", count: 256)]).check(limits: limits)
        #expect(throws: StateError.self) { try Labels([String(repeating: "n", count: 257): ""]).check(limits: limits) }
        #expect(throws: StateError.self) { try Labels(["n": String(repeating: "v", count: 257)]).check(limits: limits) }
        #expect(throws: StateError.self) { try Labels(["": "v"]).check(limits: limits) }
        #expect(throws: StateError.self) { try Labels(["n": "\0"]).check(limits: limits) }
    }

    @Test func uuidsAreOfVersionSevenAndSortByTime() {
        #expect(
            UUIDv7.text(nanoseconds: 0x017F_22E2_79B0 * 1_000_000 + 797_608, random: 0x18C4_DC0C_0C07_398F)
                == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
        #expect(UUIDv7.text(nanoseconds: 0, random: 0) == "00000000-0000-7000-8000-000000000000")
        #expect(UUIDv7.text(nanoseconds: 999_999, random: .max) == "00000000-0000-7fff-bfff-ffffffffffff")
        #expect(UUIDv7.text(nanoseconds: 999_999, random: .max) < UUIDv7.text(nanoseconds: 1_000_000, random: 0))
        #expect(UUIDv7.text(nanoseconds: 5_000, random: .max) < UUIDv7.text(nanoseconds: 5_250, random: 0), "within a millisecond")
    }
}
