import TestSupport
import Testing

@testable import FlowModel
@testable import JSON

/// The minimal depth reads little of a state, and finds in JSON what reading all of it would.
@Suite struct MinimalValidationTests {
    private func definition(_ rules: [String]) throws -> FlowDefinition {
        let document = """
            {"flow_type": "t", "phases": [{"name": "a"}, {"name": "b"}], "statuses": [{"name": "on"}, {"name": "off"}],
            "paths": {"phase": "/phase", "status": "/a/b"}, "rules": [\(rules.joined(separator: ","))]}
            """
        return try DefinitionReader.read(Array(document.utf8), limits: Limits())
    }

    /// - Returns: by reading as little as possible, by reading all; both with the rules of the minimal depth.
    private func reports(_ definition: FlowDefinition, _ state: [UInt8]) throws -> (minimal: ValidationReport, whole: ValidationReport?) {
        let validator = StateValidator(definition, limits: Limits())
        let document = try? JSONDocument(state, maximumDepth: Limits().jsonDepth)
        return (
            try validator.validate(state, depth: .minimal),
            try document.map { try validator.validate($0, depth: .minimal, budget: .usual) }
        )
    }

    @Test(arguments: ValidationTests.cases.indices) func everyRuleFindsTheSame(number: Int) throws {
        let (rule, right, wrong) = ValidationTests.cases[number]
        let definition = try definition([rule.dropLast() + #", "depths": ["minimal"]}"#])
        for state in right + wrong.map(\.state) {
            let (minimal, whole) = try reports(definition, Array(state.utf8))
            #expect(minimal == whole, "\(rule): \(state)")
        }
    }

    @Test(arguments: [UInt64.random(in: 1 ... .max), 4_711]) func randomStates(seed: UInt64) throws {
        var json = RandomJSON(seed: seed)
        json.repeatsNames = true
        let rules = ["/a", "/b", "/c", "/0", "/~1", "/\u{FFFD}", "/a/b", "/a/0", "/b/a/1", "/phase", ""].flatMap { path in
            [
                #""rule": "required""#, #""rule": "type", "type": ["string", "array"]"#, #""rule": "not_empty""#,
                #""rule": "one_of", "values": ["a", "é", ""]"#, #""rule": "range", "minimum": 0, "maximum": 1"#,
                #""rule": "format", "format": "uuid""#, #""rule": "pattern", "pattern": "^(a|é)?$""#,
                #""rule": "keys", "values": ["a", "b", "~"]"#,
                #""rule": "elements", "rules": [{"rule": "required", "path": "/a"}, {"rule": "type", "type": "number"}]"#,
                #""rule": "values", "rules": [{"rule": "elements", "rules": [{"rule": "type", "type": "string"}]}]"#,
                #""rule": "not_listed", "in": "/b""#, #""rule": "not_empty_in_phase", "phases": ["a"]"#,
                #""rule": "consistent_with_status", "status": "on", "equals": 1"#, #""rule": "deprecated", "beside": "/c/b""#,
                #""rule": "empty", "severity": "warning""#, #""rule": "size", "maximum": 1"#,
            ].map { #"{\#($0), "path": "\#(path)", "depths": ["minimal"]}"# }
        }
        let definition = try definition(rules)
        var found = 0
        for _ in 0..<500 {
            let members = ["a", "b", "c", "phase", "0", "a"].filter { _ in json.chance(3, in: 4) }.map { ($0, json.value()) }
            let source = json.chance(1, in: 10) ? json.value() : json.object(members + [("phase", "\"a\"")])
            let bytes = json.chance(1, in: 4) ? json.damage(Array(source.utf8)) : Array(source.utf8)
            let (minimal, whole) = try reports(definition, bytes)
            found += minimal.violations.count
            // What is no JSON is refused, or was not looked into.
            let isRight =
                try whole.map { $0 == minimal }
                ?? (!minimal.violations.contains { $0.rule == "syntax" }
                    || minimal == StateValidator(definition, limits: Limits()).validate(bytes))
            if !isRight { Issue.record("seed \(seed): \(text(bytes)): \(minimal), not \(String(describing: whole))") }
        }
        #expect(found > 2_500)
    }

    /// Only where nobody looks.
    @Test(arguments: ["[,]", "[\"\n\"]", "[{]]"]) func whatIsNotLookedIntoMayBeAnything(part: String) throws {
        let definition = try definition([
            #"{"rule": "required", "path": "/id", "depths": ["minimal"]}"#,
            #"{"rule": "size", "path": "/list", "maximum": 1, "depths": ["minimal"]}"#,
        ])
        let validator = StateValidator(definition, limits: Limits())
        let elsewhere = Array(#"{"id": 1, "data": \#(part)}"#.utf8)
        #expect(try validator.validate(elsewhere, depth: .minimal).isValid)
        #expect(try validator.validate(elsewhere).violations.map(\.rule) == ["syntax"])
        let there = Array(#"{"id": 1, "list": \#(part)}"#.utf8)
        #expect(try validator.validate(there, depth: .minimal) == validator.validate(there))
        #expect(try validator.validate(there, depth: .minimal).violations.map(\.rule) == ["syntax"])
    }
}
