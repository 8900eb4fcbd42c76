import TestSupport
import Testing

@testable import FlowModel
@testable import JSON

@Suite struct PatternTests {
    private func definition(_ patterns: [String], limits: Limits = Limits()) throws -> FlowDefinition {
        let rules = patterns.map { #"{"rule": "elements", "path": "/a", "rules": [{"rule": "pattern", "pattern": "\#($0)"}]}"# }
        let document = #"{"flow_type": "t", "rules": [\#(rules.joined(separator: ","))]}"#
        return try DefinitionReader.read(Array(document.utf8), limits: limits)
    }

    private func faults(_ patterns: [String], limits: Limits) -> [DocumentFault] {
        do {
            _ = try definition(patterns, limits: limits)
            return []
        } catch {
            guard case StateError.definitionInvalid(let faults, _) = error else { return [] }
            return faults
        }
    }

    /// What RE2 says: the member of the rule, and its reason.
    @Test(arguments: [
        ("(a", "missing ): (a"), ("a**", "bad repetition operator: **"), ("[z-a]", "invalid character class range: z-a"),
        (#"\\1"#, #"escape sequence: \1"#),
        ("x{1001}", "invalid repetition size: {1001}"), (#"(\\pL{50}){20}"#, "pattern too large"),
        ("(?<!a)é", "invalid perl operator: (?<"),
        ("(" + String(repeating: "é", count: 400), "missing ): (é"),
    ]) func aPatternThatIsNoneIsRefusedWithTheReason(pattern: String, reason: String) {
        let found = faults(["a", pattern], limits: Limits())
        #expect(found.map(\.path) == ["/rules/1/rules/0/pattern"])
        #expect(found.first?.message.contains(reason) == true, "\(found)")
    }

    @Test func limitsHold() throws {
        var limits = Limits()
        limits.patternBytes = 4
        #expect(faults(["abcd", "éé"], limits: limits) == [])
        #expect(faults(["a", "abcde", "ééé"], limits: limits).map(\.path) == ["/rules/1/rules/0/pattern", "/rules/2/rules/0/pattern"])
        limits = Limits()
        limits.definitionPatterns = 2
        #expect(faults(["a", "b"], limits: limits) == [])
        #expect(faults(["a", "b", "c", "d"], limits: limits).map(\.path) == ["/rules/2/rules/0/pattern"])
        limits = Limits()
        #expect(faults(["a{1000}"], limits: limits) == [])
        for memory in [0, 1, 4 << 10] {
            limits.patternMemoryBytes = memory
            #expect(faults(["a{1000}"], limits: limits).map(\.path) == ["/rules/0/rules/0/pattern"], "\(memory)")
        }
    }

    /// No text takes more than its length; and together they have a budget, since a pattern can be slow for each byte.
    @Test func workIsBounded() throws {
        let text = { (count: Int) in "\"" + String(repeating: "ab", count: count) + "\"" }
        for pattern in ["(a*b*)*c", "(?:a|b)*a(?:a|b){500}c", "(((a+b?)+)+)+$"] {
            let validator = StateValidator(try definition([pattern]), limits: Limits())
            #expect(
                try validator.validate(Array("{\"a\":[\(text(20_000))]}".utf8)).violations.allSatisfy { $0.path == "/a/0" }, "\(pattern)")
        }
        var limits = Limits()
        limits.work = 500
        let validator = StateValidator(try definition(["^[ab]+$"]), limits: limits)
        let validate = { (texts: [String]) in
            try validator.validate(Array("{\"a\":[\(texts.joined(separator: ","))]}".utf8), budget: WorkBudget(steps: limits.work))
                .violations
        }
        #expect(try validate([text(20), text(20)]).isEmpty)
        #expect(try validate([text(2_000), text(20)]).map(\.rule) == ["work"])
        #expect(try validate(Array(repeating: text(20), count: 100)).map(\.rule) == ["work"])
    }

    /// An event loop leaves to others what may take long.
    @Test func largePatternsMakeStatesLarger() throws {
        #expect(try definition(["^[a-z]+$"]).validationSize(1_000) == 1_000)
        #expect(try definition(["a{1000}", "b{1000}"]).validationSize(1_000) >= 20_000)
    }

    /// RE2 fills its caches while it searches.
    @Test func manySearchWithOnePatternAtOnce() async throws {
        let pattern = try TextPattern("(?:é|b)*b(?:é|b){12}$", memory: 64 << 10)
        await withTaskGroup(of: Bool.self) { group in
            for seed in 1...16 as ClosedRange<UInt64> {
                group.addTask {
                    var random = SeededGenerator(seed: seed)
                    return (0..<200).allSatisfy { _ in
                        let text = (0..<60).map { _ in Bool.random(using: &random) ? "é" : "b" }
                        return pattern.isFound(in: text.joined()) == (text[text.count - 13] == "b")
                    }
                }
            }
            for await isRight in group { #expect(isRight) }
        }
    }
}
