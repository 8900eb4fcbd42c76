import Testing

@testable import FlowModel
@testable import JSON

/// "é" is one letter in two spellings: composed and decomposed. As names they are two, as they are for PostgreSQL.
@Suite struct NameBytesTests {
    private static let composed = "\u{E9}"
    private static let decomposed = "e\u{301}"

    private func read(_ document: String) throws -> FlowDefinition {
        try DefinitionReader.read(Array(document.utf8), limits: Limits())
    }

    @Test func namesAreBytes() {
        #expect(Self.composed == Self.decomposed, "or this suite shows nothing")
        #expect(Name(Self.composed) != Name(Self.decomposed))
        #expect(Name(Self.composed) == Name("\u{E9}"))
        #expect(Set([Name(Self.composed), Name(Self.decomposed), Name("e")]).count == 3)
        #expect(!Self.composed.hasSameBytes(as: Self.decomposed) && Self.composed.hasSameBytes(as: "\u{E9}"))
        #expect(JSONPointer([Self.composed]) != JSONPointer([Self.decomposed]))
        #expect(![Self.decomposed].containsBytes(of: Self.composed))
    }

    @Test func phasesStatusesAndLabelsOfADefinitionAreApart() throws {
        let (one, other) = (Self.composed, Self.decomposed)
        let definition = try read(
            #"""
            {"flow_type": "t", "phases": [{"name": "\#(one)"}, {"name": "\#(other)", "requires": ["\#(one)"], "terminal": true}],
             "statuses": [{"name": "\#(one)", "next": ["\#(other)"]}, {"name": "\#(other)", "error": true}],
             "labels": {"\#(one)": "/a", "\#(other)": "/b"}}
            """#)
        #expect(definition.phaseNumber(one) == 0 && definition.phaseNumber(other) == 1)
        #expect(definition.status(one)?.isOfErrors == false && definition.status(other)?.isOfErrors == true)
        #expect(definition.isEnded(phase: other, status: "") && !definition.isEnded(phase: one, status: ""))
        let changes = try definition.labelChanges(ofState: Array(#"{"a": "x"}"#.utf8), limits: Limits(), budget: .usual)
        #expect(changes?.entries.map(\.value) == ["x", nil])
        let unknown = DefinitionReader.faults(#"{"flow_type": "t", "phases": [{"name": "\#(one)", "requires": ["\#(other)"]}]}"#)
        #expect(unknown.map(\.path) == ["/phases/0/requires/0"])
        let status = DefinitionReader.faults(#"{"flow_type": "t", "statuses": [{"name": "\#(one)", "next": ["\#(other)"]}]}"#)
        #expect(status.map(\.path) == ["/statuses/0/next"])
    }

    /// Each holds a value in one spelling against a list in the other.
    @Test(arguments: [
        #"{"rule": "one_of", "path": "/a", "values": ["NAME"]}"#, #"{"rule": "keys", "path": "/k", "values": ["NAME"]}"#,
        #"{"rule": "one_of", "path": "/a", "values": "phases"}"#, #"{"rule": "one_of", "path": "/a", "values": "statuses"}"#,
    ]) func listsTellSpellingsApart(rule: String) throws {
        let (one, other) = (Self.composed, Self.decomposed)
        let document = #"{"flow_type": "t", "phases": [{"name": "NAME"}], "statuses": [{"name": "NAME"}], "rules": [\#(rule)]}"#
        let definition = try read(String(document.split(separator: "NAME", omittingEmptySubsequences: false).joined(separator: one)))
        let validator = StateValidator(definition, limits: Limits())
        #expect(try validator.validate(Array(#"{"a": "\#(one)", "k": {"\#(one)": 1}}"#.utf8)).isValid)
        #expect(try validator.validate(Array(#"{"a": "\#(other)", "k": {"\#(other)": 1}}"#.utf8)).violations.count == 1)
    }

    @Test func rulesOfAPhaseOrAStatusHoldForItsOwnBytes() throws {
        let (one, other) = (Self.composed, Self.decomposed)
        let definition = try read(
            #"""
            {"flow_type": "t", "paths": {"phase": "/p", "status": "/s"}, "phases": [{"name": "\#(one)"}], "statuses": [{"name": "\#(one)"}],
             "rules": [{"rule": "not_empty_in_phase", "path": "/a", "phases": ["\#(one)"]},
                {"rule": "consistent_with_status", "path": "/b", "status": "\#(one)", "equals": 1}]}
            """#)
        let validator = StateValidator(definition, limits: Limits())
        #expect(try validator.validate(Array(#"{"p": "\#(one)", "s": "\#(one)"}"#.utf8)).violations.map(\.path) == ["/a", "/b"])
        #expect(try validator.validate(Array(#"{"p": "\#(other)", "s": "\#(other)"}"#.utf8)).isValid)
    }

    @Test func editsMakeBothParents() throws {
        var edit = StateEdit(try JSONDocument(Array("{}".utf8), maximumDepth: 10))
        try edit.set(JSONPointer([Self.composed, "a"]), "1")
        try edit.set(JSONPointer([Self.decomposed, "a"]), "2")
        let root = try JSONDocument(try edit.applied(Limits()), maximumDepth: 10).root
        #expect(root[Self.composed]?["a"]?.double == 1 && root[Self.decomposed]?["a"]?.double == 2)
    }
}
