import Testing

@testable import FlowModel

/// What definitions make of a schema: faults with their places, violations with theirs.
@Suite struct JSONSchemaTests {
    private func definition(_ schema: String, _ more: String = "") throws(StateError) -> FlowDefinition {
        try DefinitionReader.read(Array(#"{"flow_type": "t", "schema": \#(schema)\#(more)}"#.utf8), limits: Limits())
    }

    private func report(_ schema: String, _ state: String, _ depth: ValidationDepth = .complete) throws -> ValidationReport {
        try StateValidator(try definition(schema), limits: Limits()).validate(Array(state.utf8), depth: depth)
    }

    private func violations(_ schema: String, _ state: String) throws -> [String] {
        try report(schema, state).violations.map { "\($0.path) \($0.message)" }
    }

    static let wrong: [(schema: String, state: String, violations: [String])] = [
        (#"{"type": "object"}"#, "[]", [" is an array, not an object"]),
        (#"{"properties": {"a/b": {"type": ["integer", "null"]}}}"#, #"{"a/b": 1.5}"#, ["/a~1b is 1.5, not an integer or a null"]),
        (#"{"type": ["string", "null", "string"]}"#, "1", [" is 1, not a string or a null"]),
        (
            #"{"required": ["a", "b"], "properties": {"c": {"items": {"required": ["d"]}}}}"#, #"{"b": 0, "c": [{"d": 1}, {}]}"#,
            ["/c/1/d is missing", "/a is missing"]
        ),
        (
            #"{"additionalProperties": false, "properties": {"a": true}}"#, #"{"a": 1, "b": 2}"#,
            ["/b is not a member that the schema knows"]
        ),
        (#"{"properties": {"a": false}}"#, #"{"a": 1}"#, ["/a must not be there: the schema allows nothing here"]),
        (
            #"{"propertyNames": {"maxLength": 2}}"#, #"{"abc": 1}"#,
            ["/abc has a name that is not allowed: it has 3 characters, more than 2"]
        ),
        (
            #"{"items": {"minimum": 2, "multipleOf": 2}}"#, "[1, 2, 3]",
            ["/0 is 1, less than 2", "/0 is 1, not a multiple of 2", "/2 is 3, not a multiple of 2"]
        ),
        (#"{"items": {"enum": ["a", 1, null]}}"#, #"["\u0061", 1.0, null, "b"]"#, [#"/3 is "b", not one of "a", 1, null"#]),
        (#"{"const": {"a": [1]}}"#, #"{"a": [2]}"#, [" is not what const says"]),
        (
            #"{"items": {"maxLength": 1, "pattern": "^[a-z]+$"}}"#, #"["é", "ab", "A"]"#,
            [
                "/0 does not match the pattern ^[a-z]+$", "/1 has 2 characters, more than 1", "/2 does not match the pattern ^[a-z]+$",
            ]
        ),
        (
            #"{"anyOf": [{"type": "array"}, {"required": ["a"]}]}"#, "{}",
            [" fits no schema of anyOf: is an object, not an array; /a is missing"]
        ),
        (#"{"oneOf": [{"minimum": 1}, {"minimum": 2}]}"#, "3", [" fits schemas 0 and 1 of oneOf, must fit exactly one"]),
        (#"{"not": {"required": ["a"]}}"#, #"{"a": 1}"#, [" is what the schema excludes with not"]),
        (#"{"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}"#, #"{"a": 1}"#, ["/b is missing"]),
        (
            #"{"dependencies": {"a": ["b"], "c": {"required": ["d"]}}}"#, #"{"a": 1, "c": 1}"#,
            [#"/b is missing, and must be there beside "a""#, "/d is missing"]
        ),
        (#"{"uniqueItems": true}"#, #"[1, {"a": 1, "b": 2}, "x", {"b": 2.0, "a": 1}]"#, [" elements 1 and 3 are equal"]),
        (
            #"{"contains": {"type": "string"}, "maxItems": 1}"#, "[1, 2]",
            [" has no element that the schema asks for with contains", " has 2 elements, more than 1"]
        ),
        (
            #"{"items": {"format": "date-time"}}"#, #"["2026-11-25T10:00:00Z", "2026-11-25 10:00"]"#,
            ["/1 does not have the format date-time"]
        ),
    ]

    @Test(arguments: wrong) func saysEverythingThatIsWrong(_ schema: String, _ state: String, _ expected: [String]) throws {
        let report = try report(schema, state)
        #expect(report.violations.map { "\($0.path) \($0.message)" } == expected)
        #expect(report.violations.allSatisfy { $0.rule == "schema" })
    }

    @Test func holdsAtFullDepthOnly() throws {
        #expect(try !report("false", "{}").isValid)
        #expect(try report("false", "{}", .transition).isValid && report("false", "{}", .minimal).isValid)
    }

    @Test func comesAfterTheRules() throws {
        let definition = try definition(#"{"required": ["b"]}"#, #", "rules": [{"rule": "required", "path": "/a"}]"#)
        let report = try StateValidator(definition, limits: Limits()).validate(Array("{}".utf8))
        #expect(report.violations.map { $0.path + " " + $0.rule } == ["/a required", "/b schema"])
    }

    /// However small the state is: what a schema asks for, only the check tells.
    @Test func noEventLoopHoldsAStateAgainstASchema() throws {
        #expect(try definition("{}").validationSize(2) == Int.max)
    }

    // MARK: Faults

    static let faulty: [(schema: String, path: String, message: String)] = [
        ("1", "/schema", "is a number, not a schema"),
        (#"{"properties": {"a": {"type": "text"}}}"#, "/schema/properties/a/type", #""text" is not a type"#),
        (#"{"items": [{}, 5]}"#, "/schema/items/1", "is a number, not a schema"),
        (#"{"definitions": {"unused": {"minLength": -1}}}"#, "/schema/definitions/unused/minLength", "not a whole number from 0"),
        (#"{"required": "a"}"#, "/schema/required", "is a string, not an array"),
        (#"{"multipleOf": 0}"#, "/schema/multipleOf", "above 0"),
        (#"{"multipleOf": 1234567890123456789.1}"#, "/schema/multipleOf", "18 digits"),
        (#"{"exclusiveMaximum": true, "maximum": 1}"#, "/schema/exclusiveMaximum", "is a boolean, not a number"),
        (#"{"$schema": "https://json-schema.org/draft/2020-12/schema"}"#, "/schema/$schema", "draft-07"),
        (#"{"prefixItems": [{}]}"#, "/schema/prefixItems", "later draft"),
        (#"{"allOf": []}"#, "/schema/allOf", "is empty"),
        (#"{"pattern": "(?=a)"}"#, "/schema/pattern", "RE2"),
        (#"{"patternProperties": {"(a)\\1": {}}}"#, #"/schema/patternProperties/(a)\1"#, "RE2"),
        // References
        (#"{"$ref": "https://example.com/a.json"}"#, "/schema/$ref", "never fetched"),
        (#"{"items": {"$ref": "file:///etc/passwd"}}"#, "/schema/items/$ref", "never fetched"),
        (#"{"items": {"$ref": "other.json#/a"}}"#, "/schema/items/$ref", "never fetched"),
        (##"{"items": {"$ref": "#/definitions/a"}}"##, "/schema/items/$ref", "leads to nothing"),
        (##"{"items": {"$ref": "#a"}}"##, "/schema/items/$ref", "names nothing"),
        (##"{"items": {"$ref": "#/a%"}}"##, "/schema/items/$ref", "not a JSON Pointer"),
        (#"{"items": {"$ref": 1}}"#, "/schema/items/$ref", "is a number, not a string"),
        (##"{"items": {"$ref": "#/const/x"}, "const": {"x": {"type": 1}}}"##, "/schema/const/x/type", "is not a type"),
        (#"{"items": [{"$id": "a"}, {"$id": "a"}]}"#, "/schema/items/1/$id", "already"),
        // Circles
        (##"{"$ref": "#"}"##, "/schema/$ref", "leads back to itself"),
        (
            ##"{"definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"$ref": "#/definitions/a"}}}"##, "/schema/definitions/a/$ref",
            "back to itself"
        ),
        (##"{"allOf": [{"$ref": "#"}]}"##, "/schema", "without end"),
        (##"{"anyOf": [{}, {"not": {"$ref": "#"}}]}"##, "/schema/anyOf/1", "without end"),
        (##"{"if": {"dependencies": {"a": {"$ref": "#"}}}}"##, "/schema/if", "without end"),
    ]

    @Test(arguments: faulty) func faultsHaveTheirPlaces(_ schema: String, _ path: String, _ message: String) {
        let error = #expect(throws: StateError.self) { try definition(schema) }
        #expect(error?.faults.contains { $0.path == path && $0.message.contains(message) } == true, "\(error?.faults ?? [])")
    }

    @Test func allFaultsAreFound() {
        let error = #expect(throws: StateError.self) { try definition(#"{"type": 1, "items": {"type": 2}, "if": {"minItems": []}}"#) }
        #expect(error?.faults.map(\.path) == ["/schema/type", "/schema/items/type", "/schema/if/minItems"])
    }

    @Test func initialStatesAndRepairsMustFit() throws {
        let schema = #"{"required": ["id", "n"], "properties": {"n": {"type": "integer"}}}"#
        let initial = #expect(throws: StateError.self) {
            try definition(schema, #", "paths": {"id": "/id"}, "initial_state": {"n": "x"}"#)
        }
        #expect(initial?.faults.map(\.path) == ["/initial_state"])
        #expect(initial?.faults.first?.message == #"breaks rule schema: /n is a string, not an integer"#)
        _ = try definition(schema, #", "paths": {"id": "/id"}, "initial_state": {"n": 1}"#)

        let repairs = #expect(throws: StateError.self) { try definition(schema, #", "repairs": [{"path": "/id", "set": "id"}]"#) }
        #expect(repairs?.faults.map(\.path) == ["/repairs"])
        let whole = try definition(schema, #", "repairs": [{"path": "/id", "set": "id"}, {"path": "/n", "value": 0}]"#)
        let repaired = try whole.repaired(Array(#"{"n": "x", "a": 1}"#.utf8), flowID: "f", at: Timestamp(microseconds: 0), limits: Limits())
        #expect(repaired.map { String(decoding: $0, as: UTF8.self) } == #"{"n":0,"a":1,"id":"f"}"#)
    }

    // MARK: Values as they are spelled

    static let exact: [(schema: String, right: [String], wrong: [String])] = [
        (#"{"type": "integer"}"#, ["1", "1.0", "-0.0", "1e400", "120e-1", "123456789012345678901234567890"], ["1.5", "1e-400", "12e-2"]),
        (#"{"maximum": 9007199254740992}"#, ["9007199254740992", "-1e999"], ["9007199254740993", "9007199254740992.1", "1e400"]),
        (#"{"maximum": 123456789012345678901234567890}"#, ["123456789012345678901234567890"], ["123456789012345678901234567891"]),
        (
            #"{"multipleOf": 0.01}"#, ["0.07", "1.1", "1e400", "0", "-0.29", "1e99999999999999999999"],
            ["0.075", "1e-3", "1e-99999999999999999999"]
        ),
        (#"{"multipleOf": 3}"#, ["3e400", "123456789012345678901234567890", "-6"], ["1e400", "123456789012345678901234567891", "3.1"]),
        (#"{"multipleOf": 1e-8}"#, ["12391239123", "0.00000001"], ["0.000000001"]),
        (#"{"multipleOf": 999999999999999999}"#, ["999999999999999999", "999999999999999999e9"], ["999999999999999998", "1e18"]),
        (#"{"const": 1}"#, ["1.0", "10e-1"], ["1.0000000000000000000000001", "true"]),
        (
            #"{"maxLength": 1}"#, [#""\ud800""#, #""\ud83d\ude00""#, #""😀""#, #""\u0000""#],
            [#""\ud800\ud800""#, #""\udc00\ud800""#, #""e\u0301""#]
        ),
        (#"{"pattern": "^.$"}"#, [#""\ud800""#, #""\u0000""#, #""é""#], [#""\ud800x""#]),
        (#"{"pattern": "^\\u00e9(?<x>\\ud83d\\ude00)?/$"}"#, [#""é/""#, #""\u00e9😀\/""#], [#""e/""#]),
        // In a class a group is only characters.
        (#"{"pattern": "^[(?<]$"}"#, [#""<""#, #""(""#, #""?""#], [#""P""#, "\"\""]),
        (#"{"pattern": "^[^(?<\\](?<]=(?<n>a)$"}"#, [#""P=a""#], [#""]=a""#, #""<=a""#, #""P=b""#]),
        (##"{"format": "relative-json-pointer"}"##, [##""1#""##, ##""10/a""##], [##""1\u0301#""##, ##""01#""##, ##""1a""##]),
        (
            #"{"properties": {"a": {"type": "null"}}, "required": ["a"]}"#, [#"{"a": null}"#, #"{"a": 1, "\u0061": null}"#],
            [#"{"a\u0000": null}"#, #"{"a": null, "a": 1}"#]
        ),
        (#"{"properties": {"\ud800": false}}"#, [#"{"\ud801": 1}"#, #"{"\ufffd": 1}"#], [#"{"\uD800": 1}"#]),
        (#"{"properties": {"é": false}}"#, [#"{"e\u0301": 1}"#], [#"{"\u00e9": 1}"#]),
        (
            #"{"enum": ["\ud800", [1, {"a": 2}]]}"#, [#""\uD800""#, #"[1.0, {"a": 2e0}]"#],
            [#""\ud801""#, #""\ufffd""#, #"[1, {"a": 2, "b": 3}]"#]
        ),
        // By pointer, by id, by name; through what no keyword calls a schema; "$ref" beside others.
        (##"{"items": {"$ref": "#/$defs/a~1b%25/0"}, "$defs": {"a/b%": [{"type": "null"}]}}"##, ["[null]"], ["[1]"]),
        (
            ##"{"$id": "https://a.example/x/", "items": {"$ref": "../y#n"}, "definitions": {"y": {"$id": "/y", "not": {"$id": "#n", "type": "null"}}}}"##,
            ["[null]"], ["[1]"]
        ),
        (##"{"definitions": {"a": {"type": "null"}}, "$ref": "#/definitions/a", "maximum": 1}"##, ["null"], ["1"]),
        (
            ##"{"definitions": {"a": {"propertyNames": {"maxLength": 3}}}, "properties": {"x": {"$ref": "#/definitions/a"}}}"##,
            [#"{"x": {"abc": 1}}"#], [#"{"x": {"abcd": 1}}"#]
        ),
    ]

    @Test(arguments: exact) func valuesAreWhatTheyAre(_ schema: String, _ right: [String], _ wrong: [String]) throws {
        for state in right { #expect(try violations(schema, state) == [], "\(state)") }
        for state in wrong { #expect(try !violations(schema, state).isEmpty, "\(state) is taken as valid") }
    }
}
