import Testing

@testable import FlowModel
@testable import JSON

/// Every kind of rule, with states that pass and states that do not.
@Suite struct ValidationTests {
    private static let phases = #""phases": [{"name": "a"}, {"name": "b"}], "statuses": [{"name": "on"}, {"name": "off"}],"#

    private func validate(_ rule: String, _ state: String, depth: ValidationDepth = .complete) throws -> ValidationReport {
        let paths = #""paths": {"phase": "/phase", "status": "/status"},"#
        let document = #"{"flow_type": "t", \#(Self.phases) \#(paths) "rules": [\#(rule)]}"#
        let definition = try DefinitionReader.read(Array(document.utf8), limits: Limits())
        return try StateValidator(definition, limits: Limits()).validate(Array(state.utf8), depth: depth)
    }

    /// The rule, states that pass, states with the places of their violations.
    static let cases: [(rule: String, right: [String], wrong: [(state: String, paths: [String])])] = [
        (
            #"{"rule": "required", "path": "/a"}"#, [#"{"a": 0}"#, #"{"a": null, "a": 1}"#, #"{"\u0061": ""}"#],
            [("{}", ["/a"]), (#"{"a": null}"#, ["/a"])]
        ),
        (
            #"{"rule": "type", "path": "/a", "type": "number"}"#, ["{}", #"{"a": null}"#, #"{"a": 1e400}"#],
            [(#"{"a": true}"#, ["/a"]), (#"{"a": "1"}"#, ["/a"]), (#"{"a": []}"#, ["/a"])]
        ),
        (#"{"rule": "type", "path": "/a", "type": ["string", "array"]}"#, [#"{"a": []}"#, #"{"a": ""}"#], [(#"{"a": {}}"#, ["/a"])]),
        (
            #"{"rule": "not_empty", "path": "/a"}"#, ["{}", #"{"a": 0}"#, #"{"a": " "}"#, #"{"a": [null]}"#],
            [(#"{"a": ""}"#, ["/a"]), (#"{"a": []}"#, ["/a"]), (#"{"a": { }}"#, ["/a"])]
        ),
        (
            #"{"rule": "not_empty", "path": "/a", "type": "string"}"#, ["{}", #"{"a": []}"#, #"{"a": "x"}"#], [(#"{"a": ""}"#, ["/a"])]
        ),
        (
            #"{"rule": "one_of", "path": "/a", "values": ["x", "ü"]}"#, ["{}", #"{"a": "x"}"#, #"{"a": "\u00fc"}"#, #"{"a": 1}"#],
            [(#"{"a": "X"}"#, ["/a"]), (#"{"a": "u\u0308"}"#, ["/a"])]
        ),
        (#"{"rule": "one_of", "path": "/a", "values": "phases"}"#, [#"{"a": "b"}"#], [(#"{"a": "c"}"#, ["/a"])]),
        (#"{"rule": "one_of", "path": "/a", "values": "statuses"}"#, [#"{"a": "off"}"#], [(#"{"a": "c"}"#, ["/a"])]),
        (
            #"{"rule": "range", "path": "/a", "minimum": 0, "maximum": 100}"#,
            [
                "{}", #"{"a": 0}"#, #"{"a": -0.0}"#, #"{"a": 1E2}"#, #"{"a": 99.99999999999999999999}"#,
                #"{"a": 1e-999999999999999999999}"#, #"{"a": true}"#,
            ],
            [(#"{"a": -1e-400}"#, ["/a"]), (#"{"a": 100.00000000000000000001}"#, ["/a"]), (#"{"a": 1e99999999999999999999}"#, ["/a"])]
        ),
        (
            #"{"rule": "format", "path": "/a", "format": "uuid", "except": ["", "system"]}"#,
            ["{}", #"{"a": ""}"#, #"{"a": "system"}"#, #"{"a": "123e4567-E89B-12d3-a456-426614174000"}"#, #"{"a": 1}"#],
            [(#"{"a": "123e4567e89b12d3a456426614174000"}"#, ["/a"]), (#"{"a": "{123e4567-e89b-12d3-a456-42661417400}"}"#, ["/a"])]
        ),
        (
            #"{"rule": "format", "path": "/a", "format": "timestamp"}"#,
            [
                #"{"a": "2026-11-25"}"#, #"{"a": "2024-02-29T23:59:60Z"}"#, #"{"a": "2026-11-25 10:00:00.123456+01:00"}"#,
                #"{"a": "2026-11-25T10:00+0130"}"#, #"{"a": "2026-11-25T10:00:00,5-08"}"#,
            ],
            [
                "", "2026-11-31", "2026-02-29", "1900-02-29", "0000-01-01", "2026-11-25T24:00", "2026-11-25T10", "2026-11-25T10:00:00.",
                "2026-11-25T10:00:00Zx", "2026-11-25T", "26-11-25", "2026-1-25",
            ]
            .map { (#"{"a": "\#($0)"}"#, ["/a"]) }
        ),
        (
            #"{"rule": "pattern", "path": "/a", "pattern": "^[a-z]+$"}"#,
            ["{}", #"{"a": "abc"}"#, #"{"a": "\u0061"}"#, #"{"a": 1}"#, #"{"a": ["B"]}"#],
            [(#"{"a": ""}"#, ["/a"]), (#"{"a": "aB"}"#, ["/a"]), (#"{"a": "a\n"}"#, ["/a"]), (#"{"a": "é"}"#, ["/a"])]
        ),
        // Anywhere, unless it says where.
        (
            #"{"rule": "pattern", "path": "/a", "pattern": "b|ü"}"#, [#"{"a": "abc"}"#, #"{"a": "\u00fc"}"#],
            [(#"{"a": "u\u0308"}"#, ["/a"])]
        ),
        (#"{"rule": "pattern", "path": "/a", "pattern": ""}"#, [#"{"a": ""}"#, #"{"a": "x"}"#], []),
        (
            #"{"rule": "pattern", "path": "/a", "pattern": "^.{2}$"}"#,
            [#"{"a": "é😀"}"#, #"{"a": "\ud83d\ude00\ud800"}"#, #"{"a": "\u0000x"}"#],
            [(#"{"a": "😀"}"#, ["/a"]), (#"{"a": "e\u0301x"}"#, ["/a"]), (#"{"a": "a\n"}"#, ["/a"])]
        ),
        (
            #"{"rule": "pattern", "path": "/a", "pattern": "(?i)^\\p{Lu}[\\x{FFFD}\\x00]$"}"#,
            [#"{"a": "É\ud800"}"#, #"{"a": "ж\u0000"}"#],
            [(#"{"a": "1\u0000"}"#, ["/a"]), (#"{"a": "ЖЖ"}"#, ["/a"])]
        ),
        (
            #"{"rule": "keys", "path": "/a", "values": ["x", "y/z"]}"#,
            ["{}", #"{"a": {}}"#, #"{"a": {"x": 1, "y\/z": 2}}"#, #"{"a": []}"#],
            [(#"{"a": {"x": 1, "b/~": 2, "c": 3}}"#, ["/a/b~1~0", "/a/c"])]
        ),
        (
            #"{"rule": "elements", "path": "/a", "rules": [{"rule": "type", "type": "object"}, {"rule": "required", "path": "/id"}]}"#,
            ["{}", #"{"a": []}"#, #"{"a": [{"id": 1}]}"#, #"{"a": {"x": 1}}"#],
            [(#"{"a": [1, {"id": 1}, {}, null]}"#, ["/a/0", "/a/2/id", "/a/3"])]
        ),
        (
            #"{"rule": "values", "path": "/a", "rules": [{"rule": "type", "type": "number"}, {"rule": "range", "maximum": 1}]}"#,
            ["{}", #"{"a": {}}"#, #"{"a": {"x": 1}}"#, #"{"a": {"x": "no", "x": 1}}"#, #"{"a": [2]}"#],
            [(#"{"a": {"x": true, "y": 2, "z": null}}"#, ["/a/x", "/a/y", "/a/z"])]
        ),
        (
            #"{"rule": "not_listed", "path": "/a", "in": "/done"}"#,
            ["{}", #"{"a": "x", "done": ["y", 1]}"#, #"{"a": "x", "done": {"x": "x"}}"#],
            [(#"{"a": "x", "done": ["y", "\u0078"]}"#, ["/a"])]
        ),
        (
            #"{"rule": "not_empty_in_phase", "path": "/a", "phases": ["b"]}"#,
            ["{}", #"{"phase": "a"}"#, #"{"phase": "b", "a": 0}"#, #"{"phase": ["b"]}"#],
            [(#"{"phase": "b"}"#, ["/a"]), (#"{"phase": "b", "a": []}"#, ["/a"]), (#"{"phase": "\u0062", "a": null}"#, ["/a"])]
        ),
        (
            #"{"rule": "consistent_with_status", "path": "/a", "status": "off", "equals": 100}"#,
            ["{}", #"{"status": "on", "a": 1}"#, #"{"status": "off", "a": 1.0e2}"#],
            [
                (#"{"status": "off"}"#, ["/a"]), (#"{"status": "off", "a": "100"}"#, ["/a"]),
                (#"{"status": "off", "a": 99.99999999999999999999}"#, ["/a"]),
            ]
        ),
        (
            #"{"rule": "consistent_with_status", "path": "/a/b", "status": "off", "equals": true}"#,
            [#"{"status": "off", "a": {"b": true}}"#],
            [(#"{"status": "off", "a": [true]}"#, ["/a/b"]), (#"{"status": "off", "a": {"b": 1}}"#, ["/a/b"])]
        ),
        (
            #"{"rule": "consistent_with_status", "path": "/a", "status": "off", "differs_from": 100}"#,
            [#"{"status": "off"}"#, #"{"status": "off", "a": 99}"#, #"{"status": "on", "a": 100}"#],
            [(#"{"status": "off", "a": 10e1}"#, ["/a"])]
        ),
        (
            #"{"rule": "deprecated", "path": "/old", "beside": "/new"}"#,
            ["{}", #"{"old": 1}"#, #"{"old": 1, "new": null}"#, #"{"old": null, "new": 1}"#],
            [(#"{"old": 1, "new": 1}"#, ["/old"])]
        ),
        (#"{"rule": "empty", "path": "/a"}"#, ["{}", #"{"a": [0]}"#, #"{"a": {}}"#, #"{"a": ""}"#], [(#"{"a": []}"#, ["/a"])]),
        (
            #"{"rule": "size", "path": "/a", "maximum": 2}"#, ["{}", #"{"a": [1, 2]}"#, #"{"a": "long"}"#],
            [(#"{"a": [1, [2, 2], 3]}"#, ["/a"]), (#"{"a": {"x": {"y": 1}, "z": 1, "u": 2}}"#, ["/a"])]
        ),
    ]

    @Test(arguments: cases.indices) func rulesTellRightFromWrong(number: Int) throws {
        let (rule, right, wrong) = Self.cases[number]
        for state in right { #expect(try validate(rule, state).violations == [], "\(rule): \(state)") }
        for (state, paths) in wrong {
            let report = try validate(rule, state)
            #expect(report.violations.map(\.path) == paths, "\(rule): \(state): \(report.violations)")
            #expect(!report.isValid)
        }
    }

    @Test func everyKindHasCases() {
        let kinds = RuleKinds.all.map { $0.kind }
        for kind in kinds {
            let named = Self.cases.filter { $0.rule.hasPrefix(#"{"rule": "\#(kind)","#) }
            #expect(named.contains { !$0.right.isEmpty } && named.contains { !$0.wrong.isEmpty }, "\(kind)")
        }
        #expect(Set(kinds).count == kinds.count)
    }

    @Test func warningsDoNotMakeAStateInvalid() throws {
        let report = try validate(#"{"rule": "required", "path": "/a", "severity": "warning", "name": "wanted"}"#, "{}")
        #expect(report.isValid && report.warnings.map(\.rule) == ["wanted"])
    }

    @Test func depthsChooseRules() throws {
        let rule = #"{"rule": "required", "path": "/a", "depths": ["minimal", "transition"]}"#
        #expect(try validate(rule, "{}", depth: .minimal).violations.count == 1)
        #expect(try validate(rule, "{}", depth: .transition).violations.count == 1)
        #expect(try validate(rule, "{}", depth: .complete).violations == [])
    }

    @Test(arguments: ["", "{", "nul", "{\"a\": NaN}", "\u{FEFF}{}", "{} {}", String(repeating: "[", count: 10_000)])
    func whatIsNoJSONHasOneViolation(state: String) throws {
        let report = try validate(#"{"rule": "required", "path": "/a"}"#, state)
        #expect(report.violations.map(\.rule) == ["syntax"] && report.violations.map(\.path) == [""])
    }

    @Test(arguments: ["null", "1", "\"\"", "[]", "true"]) func whatIsNoObjectHasOneViolation(state: String) throws {
        let report = try validate(#"{"rule": "required", "path": "/a"}, {"rule": "required", "path": "/b"}"#, state)
        #expect(report.violations.map(\.rule) == ["type"] && report.violations.map(\.path) == [""])
    }
}
