import FlowStateClient
import Foundation
import Testing
import WireMessages

@testable import flowstate

@Suite struct OutputTests {
    @Test func recordsAreJSONInTheirOrder() throws {
        let record = Record([
            ("z", .string("a\"\\\n\u{1B}\u{202E}é")), ("n", .null), ("i", .integer(.max)), ("d", .number(0.5)),
            ("inf", .number(.infinity)), ("t", .time(.init(seconds: 0, nanos: 5_000))), ("no_time", .time(nil)),
            ("m", .map(["b": "2", "a": "1"])), ("s", .strings(["x", "y"])), ("r", .record(Record([("k", .bool(true))]))),
        ])
        let expected =
            #"{"z":"a\"\\\n\u001b\u202eé","n":null,"i":9223372036854775807,"d":0.5,"inf":"Infinity","#
            + #""t":"1970-01-01T00:00:00.000005Z","no_time":null,"m":{"a":"1","b":"2"},"s":["x","y"],"r":{"k":true}}"#
        #expect(record.json == expected)
        #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(record.json.utf8)) }
    }

    /// As proto3-JSON, with every field, and JSON documents as they are.
    @Test func messagesAreTheirFields() {
        let version = VersionInfo(
            version: 3, parentVersion: 2, event: .saved, actor: "a", digest: [0, 0x0A, 0xFF], metadata: Array(#"{ "b": 1.0 }"#.utf8),
            createdAt: Timestamp(seconds: 0, nanos: 250_000_000), checkpoints: ["x", "y"])
        let record = Record(version)
        #expect(
            record.json
                == #"{"version":3,"parent_version":2,"event":"VERSION_EVENT_SAVED","actor":"a","content_type":"","size_bytes":0,"#
                + #""digest":"AAr/","phase":"","status":"","version_label":"","metadata":{"b":1.0},"#
                + #""created_at":"1970-01-01T00:00:00.250000Z","checkpoints":["x","y"],"progress":null,"#
                + #""parent_version_label":"","version_tags":{}}"#)
        #expect(record["event"].cell == "saved" && record["digest"].cell == "000aff" && record["metadata"].cell == #"{"b":1.0}"#)
        #expect(record["checkpoints"].cell == "x,y" && record["progress"].cell.isEmpty)
    }

    @Test(arguments: [
        ("", "null"), (#"{ "b": 1.0, "a": "\u0000" }"#, #"{"b":1.0,"a":"\u0000"}"#), ("{", #""ew==""#),
    ])
    func foreignJSONIsPutInOnlyWhenItIsJSON(_ text: String, _ expected: String) {
        #expect(Record(VersionInfo(metadata: Array(text.utf8)))["metadata"].json == expected)
    }

    @Test(arguments: [0.1, 100, 1e-9, 1e300, 12.75])
    func numbersAreJSONNumbers(_ value: Double) throws {
        let object = try JSONSerialization.jsonObject(with: Data(OutputValue.number(value).json.utf8), options: .fragmentsAllowed)
        #expect((object as? NSNumber)?.doubleValue == value)
    }

    @Test func tablesAlign() {
        var table = Table([.left("name"), .right("version"), .left("note")])
        func row(_ name: String, _ version: Int64, _ note: String) -> Record {
            Record([("note", .string(note)), ("name", .string(name)), ("version", .integer(version))])
        }
        #expect(table.lines([]) == "NAME  VERSION  NOTE\n")
        #expect(
            table.lines([row("a", 1, "x\ny"), row("漢字漢字", 12_345_678, "")]) == """
                a                1  x\\ny
                漢字漢字  12345678

                """)
        // Later portions stay as wide.
        #expect(table.lines([row("b", 2, "z")]) == "b                2  z\n")
    }

    @Test func recordsAreLinesOfNameAndValue() {
        let inner = OutputValue.record(Record([("long_name", .integer(3)), ("labels", .map(["k": "\u{1B}v"]))]))
        #expect(
            Table.lines(Record([("id", .string("x")), ("none", .string("")), ("inner", inner)])) == """
                id               x
                inner.long_name  3
                inner.labels     k=\\u001bv

                """)
    }

    @Test func namesOfTheOnlyMessageNeedNoPrefix() {
        let saved = SetStatusResponse(flow: Flow(flowID: "f", version: 2), replayed: true)
        #expect(
            Table.lines(Record(saved)) == """
                flow_id              f
                version              2
                deleted              no
                definition_revision  0
                replayed             yes

                """)
        // Those of one of two do, and of one whose names are others' too.
        let snapshot = Table.lines(Record(Snapshot(flow: Flow(flowID: "f"), version: VersionInfo(version: 1))))
        #expect(snapshot.contains("flow.flow_id") && snapshot.contains("version.version"))
    }

    @Test func listsOfMessagesAreLinesInACell() {
        let violations = [Violation(path: "/a", rule: "type", message: "is a string"), Violation(path: "/b", rule: "required")]
        #expect(Record(ValidateStateResponse(violations: violations))["violations"].cell == "/a type is a string; /b required")
    }

    @Test func terminalsSeeNoControlCharacters() throws {
        let hostile = "\u{1B}]0;x\u{7}a\tb\u{9B}2J\r\u{202E}"
        #expect(TerminalText.line(hostile) == #"\u001b]0;x\u0007a\tb\u009b2J\r\u202e"#)
        #expect(TerminalText.lines("a\n\tb\r") == "a\n\tb\\r")
        let shown = try StateView.text(Array(hostile.utf8), contentType: "text/plain")
        #expect(shown.unicodeScalars.allSatisfy { !TerminalText.isUnsafe($0) || $0 == "\n" || $0 == "\t" })
    }

    @Test func statesAreShownByTheirType() throws {
        #expect(try StateView.text(Array(#"{"a":1}"#.utf8), contentType: "application/ld+json; charset=utf-8") == "{\n  \"a\": 1\n}\n")
        #expect(try StateView.text(Array(#"{"a":1}"#.utf8), contentType: "text/plain") == "{\"a\":1}\n")
        #expect(try StateView.text([], contentType: "text/plain").isEmpty)
        #expect(throws: LocalFailure.self) { try StateView.text([0xFF], contentType: "application/octet-stream") }
    }

    @Test(arguments: [
        ("", true), ("application/json", true), ("Application/JSON ; charset=utf-8", true), ("application/x+json", true),
        ("text/plain", false), ("application/jsonl", false),
    ])
    func knowsJSONByItsType(_ type: String, _ isJSON: Bool) { #expect(MediaType.isJSON(type) == isJSON) }
}
