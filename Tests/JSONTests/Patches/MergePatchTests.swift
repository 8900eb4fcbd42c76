import TestSupport
import Testing

@testable import JSON

struct MergePatchTests {
    private func merge(_ patch: String, into document: String) throws -> String {
        text(try MergePatch.apply(try parse(patch), to: try parse(document)))
    }

    /// RFC 7396, Appendix A, whose order of members this keeps.
    @Test(arguments: [
        (#"{"a":"b"}"#, #"{"a":"c"}"#, #"{"a":"c"}"#), (#"{"a":"b"}"#, #"{"b":"c"}"#, #"{"a":"b","b":"c"}"#),
        (#"{"a":"b"}"#, #"{"a":null}"#, #"{}"#), (#"{"a":"b","b":"c"}"#, #"{"a":null}"#, #"{"b":"c"}"#),
        (#"{"a":["b"]}"#, #"{"a":"c"}"#, #"{"a":"c"}"#), (#"{"a":"c"}"#, #"{"a":["b"]}"#, #"{"a":["b"]}"#),
        (#"{"a":{"b":"c"}}"#, #"{"a":{"b":"d","c":null}}"#, #"{"a":{"b":"d"}}"#), (#"{"a":[{"b":"c"}]}"#, #"{"a":[1]}"#, #"{"a":[1]}"#),
        (#"["a","b"]"#, #"["c","d"]"#, #"["c","d"]"#), (#"{"a":"b"}"#, #"["c"]"#, #"["c"]"#), (#"{"a":"foo"}"#, "null", "null"),
        (#"{"a":"foo"}"#, #""bar""#, #""bar""#), (#"{"e":null}"#, #"{"a":1}"#, #"{"e":null,"a":1}"#),
        (#"[1,2]"#, #"{"a":"b","c":null}"#, #"{"a":"b"}"#), ("{}", #"{"a":{"bb":{"ccc":null}}}"#, #"{"a":{"bb":{}}}"#),
    ]) func appendixA(_ document: String, _ patch: String, _ expected: String) throws {
        #expect(try merge(patch, into: document) == expected)
    }

    @Test func whatIsNotNamedIsSpelledAsItWas() throws {
        let document = " {\"a\" : 1.0e+0, \"in\" : { \"x\" : [ 1 , 2 ], \"y\" : \"\\u00e9\" }, \"a\":2 , \"k\" : [ ] }\n"
        #expect(
            try merge(#"{"in":{"x":{"n":null, "\u00e9" : [ null ]}}}"#, into: document)
                == #"{"a":1.0e+0,"in":{"x":{"\u00e9":[ null ]},"y":"\u00e9"},"a":2,"k":[ ]}"#)
        #expect(try merge(#"{"a":null}"#, into: document) == #"{"in":{ "x" : [ 1 , 2 ], "y" : "\u00e9" },"k":[ ]}"#)
        for patch in ["{}", #"{"none":null,"in":{},"\ud800":null}"#, #"{"in":{"none":null}}"#] {
            #expect(try merge(patch, into: document) == document)
        }
        #expect(try merge(" [ 1 ] ", into: document) == " [ 1 ] ")
    }

    @Test func repeatedNamesAndNamesThatNoStringHolds() throws {
        #expect(try merge(#"{"a":{"x":1},"b":1,"a":{"y":2}}"#, into: "{}") == #"{"a":{"y":2},"b":1}"#)
        #expect(try merge(#"{"a":1,"\u0061":null}"#, into: #"{"a":0}"#) == "{}")
        #expect(try merge(#"{"\uD800":1,"\ud801":null}"#, into: #"{"\ud800":0,"\ud801":0,"\ud802":0}"#) == #"{"\ud800":1,"\ud802":0}"#)
    }

    /// §2's pseudo code on values without any spelling.
    @Test(arguments: [UInt64.random(in: 1 ... .max), 7_396])
    func agreesWithTheRFC(seed: UInt64) throws {
        var json = RandomJSON(seed: seed)
        json.repeatsNames = true
        for _ in 0..<10_000 {
            let document = try parse(json.value())
            let patch = try parse(json.chance(1, in: 2) ? json.value() : json.change(document.root))
            let result = try parse(try MergePatch.apply(patch, to: document)).root
            if Model(result) != merged(Model(patch.root), into: Model(document.root)) {
                Issue.record("seed \(seed): \(text(patch.root.text)) into \(text(document.root.text))")
            }
            if result.height > max(patch.root.height, document.root.height) { Issue.record("seed \(seed): deeper") }
        }
    }

    private func merged(_ patch: Model, into target: Model?) -> Model {
        guard case .object(let changes) = patch else { return patch }
        var members: [[UInt16]: Model] = [:]
        if case .object(let those)? = target { members = those }
        for (name, value) in changes { members[name] = value == .null ? nil : merged(value, into: members[name]) }
        return .object(members)
    }
}
