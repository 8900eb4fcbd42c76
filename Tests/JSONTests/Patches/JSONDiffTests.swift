import TestSupport
import Testing

@testable import JSON

struct JSONDiffTests {
    private func diff(_ old: String, _ new: String) throws -> String { text(try JSONDiff.patch(from: try parse(old), to: try parse(new))) }

    @Test(arguments: [
        ("1", "1.0", "[]"), (#"{"a":1,"b":[1e2]}"#, #"{ "b":[100], "\u0061":1 }"#, "[]"),
        ("1", "2", #"[{"op":"replace","path":"","value":2}]"#), ("[]", "{}", #"[{"op":"replace","path":"","value":{}}]"#),
        (
            #"{"a":1,"b":2,"c":3}"#, #"{"c":3,"d":[ ],"a":7}"#,
            #"[{"op":"replace","path":"/a","value":7},{"op":"remove","path":"/b"},{"op":"add","path":"/d","value":[ ]}]"#
        ),
        (#"{"a/b":{"m~n":{"\"":1}}}"#, #"{"a/b":{"m~n":{"\"":2}}}"#, #"[{"op":"replace","path":"/a~1b/m~0n/\"","value":2}]"#),
        (
            #"{"\ud800":1,"\u00e9\n":1}"#, #"{"\ud800":1,"\ud801":1}"#,
            #"[{"op":"remove","path":"/é\n"},{"op":"add","path":"/\ud801","value":1}]"#
        ),
        ("[1,2,3]", "[1,3]", #"[{"op":"remove","path":"/1"}]"#), ("[1,3]", "[1,2,3]", #"[{"op":"add","path":"/1","value":2}]"#),
        ("[1]", "[1,2,3]", #"[{"op":"add","path":"/1","value":2},{"op":"add","path":"/2","value":3}]"#),
        ("[1,2,3]", "[]", #"[{"op":"remove","path":"/0"},{"op":"remove","path":"/0"},{"op":"remove","path":"/0"}]"#),
        (#"[{"a":1},{"a":2},{"a":3}]"#, #"[{"a":1},{"a":5},{"a":3}]"#, #"[{"op":"replace","path":"/1/a","value":5}]"#),
        (
            "[1,2,3,4,5]", "[2,9,4,1]",
            #"[{"op":"remove","path":"/0"},{"op":"replace","path":"/1","value":9},{"op":"replace","path":"/3","value":1}]"#
        ),
        // No path leads to the other members of a repeated name.
        (#"{"x":{"a":1,"a":2},"y":1}"#, #"{"x":{"a":1,"a":2},"y":2}"#, #"[{"op":"replace","path":"/y","value":2}]"#),
        (#"{"x":{"a":1,"a":2}}"#, #"{"x":{"a":2}}"#, #"[{"op":"replace","path":"/x","value":{"a":2}}]"#),
        (#"{"x":{"a":2}}"#, #"{"x":{"a":1,"a":2}}"#, #"[{"op":"replace","path":"/x","value":{"a":1,"a":2}}]"#),
    ]) func differences(_ old: String, _ new: String, _ expected: String) throws {
        #expect(try diff(old, new) == expected)
    }

    @Test(arguments: [UInt64.random(in: 1 ... .max), 6_902])
    func appliedItLeadsToTheOther(seed: UInt64) throws {
        var json = RandomJSON(seed: seed)
        for round in 0..<10_000 {
            json.repeatsNames = round % 2 == 0
            let old = try parse(json.value())
            let new = try parse(json.chance(1, in: 4) ? json.value() : json.change(old.root))
            let patch = try JSONDiff.patch(from: old, to: new)
            let result = try parse(JSONPatch(patch).apply(to: old)).root
            let comparison = JSONComparison(.usual)
            if try !comparison.areEqual(result, new.root) || Model(result) != Model(new.root) {
                Issue.record("seed \(seed): \(text(old.bytes)) to \(text(new.bytes)): \(text(patch))")
            }
            if try comparison.areEqual(old.root, new.root) != (text(patch) == "[]") { Issue.record("seed \(seed): \(text(patch))") }
        }
    }

    /// Arrays of a few different elements, where the common subsequence matters.
    @Test(arguments: [UInt64.random(in: 1 ... .max)])
    func arrays(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<3_000 {
            let list = { (random: inout SeededGenerator) in
                let elements = (0..<Int.random(in: 0...12, using: &random)).map { _ in "[\(Int.random(in: 0...3, using: &random))]" }
                return "[\(elements.joined(separator: ","))]"
            }
            let (old, new) = (list(&random), list(&random))
            let patch = try JSONDiff.patch(from: try parse(old), to: try parse(new))
            let result = try JSONPatch(patch).apply(to: parse(old))
            #expect(text(result) == new, "seed \(seed): \(old) to \(new): \(text(patch))")
        }
    }

    /// As long as the textbook's table says.
    @Test(arguments: [UInt64.random(in: 1 ... .max)])
    func commonSubsequence(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<3_000 {
            let letters = Int.random(in: 1...6, using: &random)
            let word = { (random: inout SeededGenerator) in
                (0..<Int.random(in: 0...15, using: &random)).map { _ in Int.random(in: 0..<letters, using: &random) }
            }
            let (one, other) = (word(&random), word(&random))
            var steps = 1_000
            let pairs = try #require(common(one, other, steps: &steps))
            let isRising = zip(pairs, pairs.dropFirst()).allSatisfy { $0.0 < $1.0 && $0.1 < $1.1 }
            let isCommon = pairs.allSatisfy { one[$0.0] == other[$0.1] }
            #expect(isRising && isCommon && pairs.count == length(one, other), "seed \(seed): \(one) \(other)")
        }
        var steps = 1_000
        #expect(try common(Array(0..<100), Array(100..<200), steps: &steps) == nil && steps < 0)
    }

    /// Pairs of places.
    private func common(_ one: [Int], _ other: [Int], steps: inout Int) throws -> [(Int, Int)]? {
        let words = [one, other].map { $0.map { UInt32($0) } }
        return try CommonSubsequence.runs(words[0], words[1], steps: &steps, .usual)?.flatMap { run in
            (0..<run.count).map { (run.one + $0, run.other + $0) }
        }
    }

    private func length(_ one: [Int], _ other: [Int]) -> Int {
        var lengths = [Int](repeating: 0, count: other.count + 1)
        for element in one {
            var before = 0
            for (column, candidate) in other.enumerated() {
                (before, lengths[column + 1]) = (
                    lengths[column + 1], element == candidate ? before + 1 : max(lengths[column + 1], lengths[column])
                )
            }
        }
        return lengths[other.count]
    }

    @Test func aGrowingConversationIsAFewOperations() throws {
        let messages = (0..<2_000).map { #"{"role":"user","content":"message \#($0)"}"# }
        let state = { (messages: [String], turn: Int) in #"{"turn":\#(turn),"messages":[\#(messages.joined(separator: ","))]}"# }
        let next = messages.dropFirst() + [#"{"role":"assistant","content":"yes"}"#]
        #expect(
            try diff(state(messages, 1), state(Array(next), 2))
                == #"[{"op":"replace","path":"/turn","value":2},{"op":"remove","path":"/messages/0"},"#
                + #"{"op":"add","path":"/messages/1999","value":{"role":"assistant","content":"yes"}}]"#)
    }

    /// Beyond what the common subsequence is looked for: still right, only longer.
    @Test func longUnlikeArrays() throws {
        for (old, new) in [(3_500, 3_400), (3_400, 3_500), (1, 3_000), (3_000, 2)] {
            let list = { (count: Int, factor: Int) in "[\((0..<count).map { "\"\($0 * factor)\"" }.joined(separator: ","))]" }
            let (old, new) = (list(old, 3), list(new, 7))
            let patch = try JSONDiff.patch(from: try parse(old), to: try parse(new))
            #expect(text(try JSONPatch(patch).apply(to: parse(old))) == new)
        }
    }

    /// However unlike two documents are: a patch is hardly longer than the new one.
    @Test func aPatchIsBounded() throws {
        let name = String(repeating: "n", count: 1_000)
        let object = { (factor: Int) in
            "{\"\(name)\":{\((0..<2_000).map { "\"\($0)\":{\"\(name)\":\($0 * factor)}" }.joined(separator: ","))}}"
        }
        let (old, new) = (try parse(object(2).replacing(name + "\":0", with: "x\":0")), try parse(object(3)))
        let patch = try JSONDiff.patch(from: old, to: new)
        #expect(patch.count < new.bytes.count + 16 << 10)
        #expect(try JSONPatch(patch, limits: roomy).apply(to: old) == new.bytes)
        let deep = { (value: String) in String(repeating: "[1,", count: 255) + value + String(repeating: "]", count: 255) }
        #expect(try diff(deep("1"), deep("2")).utf8.count < 1_000)
    }

    private var roomy: PatchLimits {
        var limits = PatchLimits.usual
        limits.resultBytes = 1 << 30
        return limits
    }
}
