import Testing

@testable import FlowModel
@testable import JSON

/// What a definition's document may say, and what is answered to one that cannot work.
@Suite struct DefinitionTests {
    private func faults(_ document: String) -> [String] {
        DefinitionReader.faults(document).map(\.path)
    }

    @Test(arguments: Array(BuiltInDefinitions.documents.keys)) func builtInDefinitionsAreValid(flowType: String) throws {
        let document = try #require(BuiltInDefinitions.documents[flowType])
        let definition = try DefinitionReader.read(Array(document.utf8), limits: Limits())
        #expect(definition.flowType == flowType)
    }

    @Test func discoveryHasItsPhases() throws {
        let record = try #require(BuiltInDefinitions.record(BuiltInDefinitions.unifiedDiscovery))
        let definition = try DefinitionReader.read(record.document, limits: Limits())
        #expect(
            definition.phases.map(\.name) == [
                "initialization", "data_import", "field_mapping", "data_cleansing", "asset_creation", "asset_inventory",
                "dependency_analysis", "tech_debt_analysis", "completed",
            ])
        #expect(definition.phases.map(\.progress) == [0, 10, 25, 40, 55, 70, 85, 95, 100])
        #expect(definition.phase("data_import")?.requires == ["initialization"])
        #expect(definition.statuses.map(\.name).sorted() == ["completed", "failed", "paused", "running", "waiting_for_user"])
        #expect(definition.paths.phase == JSONPointer(["current_phase"]))
    }

    /// Each with the places of its faults.
    @Test(arguments: [
        (#"{"flow_type": "f"}"#, []),
        (#"{"flow_type": "f", "phases": [{"name": "a"}, {"name": "b", "requires": ["a"], "progress": 50, "terminal": true}]}"#, []),
        (#"{"#, [""]),
        (#"[]"#, ["", "/flow_type"]),
        (#"{}"#, ["/flow_type"]),
        (#"{"flow_type": ""}"#, ["/flow_type"]),
        (#"{"flow_type": 1}"#, ["/flow_type"]),
        (#"{"flow_type": "f", "phasen": []}"#, ["/phasen"]),
        (#"{"flow_type": "f", "phases": [{"name": "a", "requires": ["b"]}]}"#, ["/phases/0/requires/0"]),
        (
            #"{"flow_type": "f", "phases": [{"name": "a", "requires": ["b"]}, {"name": "b", "requires": ["a"]}, {"name": "c"}]}"#,
            ["/phases/0/requires"]
        ),
        (#"{"flow_type": "f", "phases": [{"name": "a"}, {"name": "a"}]}"#, ["/phases/1/name"]),
        (#"{"flow_type": "f", "phases": [{"name": "a", "progress": 101}]}"#, ["/phases/0/progress"]),
        (#"{"flow_type": "f", "statuses": [{"name": "a", "next": ["b"]}]}"#, ["/statuses/0/next"]),
        (#"{"flow_type": "f", "paths": {"phase": "phase"}}"#, ["/paths/phase"]),
        (#"{"flow_type": "f", "paths": {"log": "/a~2", "status": ""}}"#, ["/paths/status", "/paths/log"]),
        (#"{"flow_type": "f", "repairs": [{"path": "", "value": {}}]}"#, ["/repairs/0/path"]),
        (#"{"flow_type": "f", "on_save": "sometimes"}"#, ["/on_save"]),
        (#"{"flow_type": "f", "rules": [{"rule": "requird", "path": "/a"}]}"#, ["/rules/0/rule"]),
        (#"{"flow_type": "f", "rules": [{"rule": "required"}]}"#, ["/rules/0/path"]),
        (#"{"flow_type": "f", "rules": [{"rule": "type", "path": "/a", "type": "int"}]}"#, ["/rules/0/type"]),
        (#"{"flow_type": "f", "rules": [{"rule": "range", "path": "/a"}]}"#, ["/rules/0"]),
        (#"{"flow_type": "f", "rules": [{"rule": "range", "path": "/a", "minimum": 2, "maximum": 1}]}"#, ["/rules/0/maximum"]),
        (#"{"flow_type": "f", "rules": [{"rule": "format", "path": "/a", "format": "mail"}]}"#, ["/rules/0/format"]),
        (#"{"flow_type": "f", "rules": [{"rule": "pattern", "path": "/a"}]}"#, ["/rules/0/pattern"]),
        (#"{"flow_type": "f", "rules": [{"rule": "pattern", "path": "/a", "pattern": 1}]}"#, ["/rules/0/pattern"]),
        (#"{"flow_type": "f", "rules": [{"rule": "pattern", "path": "/a", "pattern": "(a"}]}"#, ["/rules/0/pattern"]),
        (#"{"flow_type": "f", "rules": [{"rule": "pattern", "path": "/a", "pattern": "(a)\\1|(?=b)"}]}"#, ["/rules/0/pattern"]),
        (#"{"flow_type": "f", "rules": [{"rule": "pattern", "path": "/a", "pattern": "(\\pL{100}){9}"}]}"#, ["/rules/0/pattern"]),
        (
            #"{"flow_type": "f", "rules": [{"rule": "values", "path": "/a", "rules": [{"rule": "pattern", "pattern": "["}]}]}"#,
            ["/rules/0/rules/0/pattern"]
        ),
        (#"{"flow_type": "f", "rules": [{"rule": "one_of", "path": "/a", "values": "fases"}]}"#, ["/rules/0/values"]),
        (#"{"flow_type": "f", "rules": [{"rule": "not_empty_in_phase", "path": "/a", "phases": ["x"]}]}"#, ["/rules/0/phases"]),
        (
            #"{"flow_type": "f", "rules": [{"rule": "consistent_with_status", "path": "/a", "status": "x"}]}"#,
            ["/rules/0/status", "/rules/0"]
        ),
        (#"{"flow_type": "f", "rules": [{"rule": "required", "path": "/a", "depths": ["deep"]}]}"#, ["/rules/0/depths"]),
        (#"{"flow_type": "f", "rules": [{"rule": "required", "path": "/a", "severity": "fatal"}]}"#, ["/rules/0/severity"]),
        (#"{"flow_type": "f", "rules": [{"rule": "elements", "path": "/a", "rules": [{"rule": "x"}]}]}"#, ["/rules/0/rules/0/rule"]),
        (#"{"flow_type": "f", "rules": [{"rule": "size", "path": "/a", "maximum": 1.5}]}"#, ["/rules/0/maximum"]),
    ]) func saysWhatIsWrong(document: String, places: [String]) {
        #expect(faults(document) == places, "\(document)")
    }

    @Test func limitsHold() {
        var limits = Limits()
        limits.definitionBytes = 30
        #expect(throws: StateError.self) {
            try DefinitionReader.read(Array(#"{"flow_type": "f", "description": "long"}"#.utf8), limits: limits)
        }
        limits = Limits()
        limits.definitionDepth = 2
        #expect(throws: StateError.self) {
            try DefinitionReader.read(Array(#"{"flow_type": "f", "paths": {"phase": ["/a"]}}"#.utf8), limits: limits)
        }
        #expect(faults(#"{"flow_type": "f", "description": "\#(String(repeating: "x", count: 5_000))"}"#) == ["/description"])
        let nested = (0..<6).reduce(#"{"rule": "required"}"#) { rule, _ in #"{"rule": "elements", "rules": [\#(rule)]}"# }
        #expect(faults(#"{"flow_type": "f", "rules": [{"rule": "elements", "path": "/a", "rules": [\#(nested)]}]}"#).count == 1)
    }
}

/// Documents that are nearly definitions: each is read or refused with its faults, and what was read can be used.
@Suite struct DefinitionFuzzTests {
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
    }

    private static let pieces = [
        "null", "true", "[]", "{}", "\"\"", "-1", "1e999", "\"phases\"", "[{}]",
        "{\"rule\": \"elements\", \"path\": \"/a\", \"rules\": []}",
        "\"/a~1b\"", "\"initialization\"", "[\"running\"]", "\\u0000", "\"\\ud800\"",
    ]

    @Test(arguments: [1, 2, 3] as [UInt64]) func damagedDocumentsAreReadOrRefused(seed: UInt64) throws {
        var generator = Generator(state: seed)
        let document = try #require(BuiltInDefinitions.record(BuiltInDefinitions.unifiedDiscovery)).document
        var read = 0
        for _ in 0..<1_500 {
            var damaged = document
            for _ in 0...Int.random(in: 0..<3, using: &generator) {
                let start = Int.random(in: 0..<damaged.count, using: &generator)
                let end = min(damaged.count, start + Int.random(in: 0..<12, using: &generator))
                // Mostly a value in place of another, so that many are still JSON.
                if let colon = damaged[start...].firstIndex(of: UInt8(ascii: ":")), Bool.random(using: &generator) {
                    let stop = damaged[(colon + 1)...].firstIndex { ",}\n".utf8.contains($0) } ?? damaged.endIndex
                    damaged.replaceSubrange((colon + 1)..<stop, with: Array((Self.pieces.randomElement(using: &generator) ?? "").utf8))
                } else {
                    damaged.removeSubrange(start..<end)
                }
            }
            do {
                let definition = try DefinitionReader.read(damaged, limits: Limits())
                read += 1
                _ = try StateValidator(definition, limits: Limits()).validate(Array(#"{"a": [1], "current_phase": "x"}"#.utf8))
                _ = try? definition.initialState(of: "f", at: Timestamp(microseconds: 0), limits: Limits())
            } catch {
                guard case StateError.definitionInvalid(let faults, _) = error else { throw error }
                #expect(!faults.isEmpty && faults.allSatisfy { !$0.message.isEmpty })
            }
        }
        #expect(read > 20, "seed \(seed): only \(read) were still definitions")
    }

    /// What recovery keeps is the quarantine; definitions of older releases say `archives`.
    @Test(arguments: ["quarantined", "archives"]) func retentionOfTheQuarantine(member: String) throws {
        let document = "{\"flow_type\": \"t\", \"retention\": {\"\(member)\": 3}}"
        #expect(try DefinitionReader.read(Array(document.utf8), limits: Limits()).retention.quarantined == 3)
        let wrong = "{\"flow_type\": \"t\", \"retention\": {\"\(member)\": 0}}"
        #expect(DefinitionReader.faults(wrong).map(\.path) == ["/retention/\(member)"])
    }
}
