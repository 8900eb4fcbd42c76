import TestSupport
import Testing

@testable import JSON

/// Patches that ask for much: each is refused with its reason, soon.
struct PatchLimitTests {
    private func reason(
        _ operations: [String], on document: String, work: Int = WorkBudget.usualSteps, _ change: (inout PatchLimits) -> Void = { _ in }
    ) throws -> JSONPatchError.Reason? {
        var limits = PatchLimits.usual
        change(&limits)
        let document = try parse(document)
        do throws(JSONPatchError) {
            let budget = WorkBudget(steps: work)
            let patch = try JSONPatch(Array("[\(operations.joined(separator: ","))]".utf8), limits: limits, budget: budget)
            let result = try patch.apply(to: document, budget: budget)
            #expect(budget.spent <= work)
            #expect(result.count <= limits.resultBytes)
            #expect(JSONText.fault(in: result, maximumDepth: limits.depth) == nil)
            return nil
        } catch {
            return error.reason
        }
    }

    @Test func operations() throws {
        let test = #"{"op":"test","path":"","value":{}}"#
        #expect(try reason([String](repeating: test, count: 3), on: "{}") { $0.operations = 3 } == nil)
        #expect(
            try reason([String](repeating: test, count: 4), on: "{}") { $0.operations = 3 } == .tooManyOperations(count: 4, limit: 3))
        #expect(try reason([String](repeating: test, count: 10_000), on: "{}") == nil)
    }

    /// Sizes are known to the byte.
    @Test(arguments: [
        #"{"op":"add","path":"/b","value":"xyz"}"#, #"{"op":"add","path":"/a/0","value":[ 1 ]}"#,
        #"{"op":"replace","path":"/a/1","value":222}"#,
        #"{"op":"copy","from":"/a","path":"/b"}"#, #"{"op":"add","path":"","value":[1,2,3,4,5,6,7,8,9]}"#,
        #"{"op":"move","from":"/a/0","path":"/bcdefghijk"}"#,
    ]) func size(_ operation: String) throws {
        let document = #"{"a":[1,2]}"#
        let size = try JSONPatch(Array("[\(operation)]".utf8)).apply(to: parse(document)).count
        #expect(try reason([operation], on: document) { $0.resultBytes = size } == nil)
        #expect(
            try reason([operation], on: document) { $0.resultBytes = size - 1 } == .resultTooLarge(size: size, limit: size - 1))
    }

    @Test func copyBombs() throws {
        let double = #"{"op":"copy","from":"","path":"/-"}"#
        let limit = PatchLimits.usual.resultBytes
        guard case .resultTooLarge(let size, limit) = try reason([String](repeating: double, count: 100), on: "[\"0123456789\"]") else {
            Issue.record("not refused")
            return
        }
        #expect(size <= 2 * limit + 10)
        // What is copied and thrown away again, so that it never becomes large.
        let large = "{\"a\":[\(String(repeating: "0,", count: 100_000))0]}"
        let again = [#"{"op":"copy","from":"/a","path":"/b"}"#, #"{"op":"add","path":"/b/0","value":1}"#, #"{"op":"remove","path":"/b"}"#]
        #expect(
            try reason([[String]](repeating: again, count: 100).flatMap { $0 }, on: large, work: 1_000_000)
                == .stopped(.exhausted(limit: 1_000_000)))
        #expect(try reason([[String]](repeating: again, count: 8).flatMap { $0 }, on: large, work: 1_000_000) == nil)
    }

    @Test func comparisons() throws {
        let large = "{\"a\":[\(String(repeating: "0,", count: 100_000))0],\"s\":\"\(String(repeating: "x\\n", count: 100_000))\"}"
        let longer = "[\(String(repeating: "0,", count: 100_001))0]"
        #expect(try reason([#"{"op":"test","path":"/a","value":\#(longer)}"#], on: large) == .testFailed(path: "/a"))
        // Short to send, long to compare: a long string or number with one character.
        let escaped = #"{"op":"test","path":"/s","value":"\u0061"}"#
        #expect(try reason([String](repeating: escaped, count: 200), on: large) == .testFailed(path: "/s"))
        let number = "[1\(String(repeating: "0", count: 200_000)),{\(String(repeating: "\"a\":0,", count: 100_000))\"b\":0}]"
        for (path, value) in [("/0", "1"), ("/1", "{\"c\":0}")] {
            #expect(try reason([#"{"op":"test","path":"\#(path)","value":\#(value)}"#], on: number) == .testFailed(path: path))
        }
        let whole = #"{"op":"test","path":"","value":\#(large)}"#
        #expect(try reason([String](repeating: whole, count: 3), on: large) == nil)
        #expect(try reason([String](repeating: whole, count: 3), on: large, work: 250_000) == .stopped(.exhausted(limit: 250_000)))
    }

    @Test func depth() throws {
        let limit = { (limits: inout PatchLimits) in limits.depth = 4 }
        for (operation, isAllowed) in [
            (#"{"op":"add","path":"/a/a/a","value":{}}"#, true), (#"{"op":"add","path":"/a/a/a","value":[[]]}"#, false),
            (#"{"op":"copy","from":"/a","path":"/a/a/a"}"#, false), (#"{"op":"copy","from":"/a/a","path":"/a/b"}"#, true),
            (#"{"op":"move","from":"/c","path":"/a/a/c"}"#, true), (#"{"op":"move","from":"/c","path":"/a/a/d/c"}"#, false),
            (#"{"op":"replace","path":"","value":[[[[]]]]}"#, true), (#"{"op":"add","path":"/e","value":[[[[]]]]}"#, false),
        ] {
            let found = try reason([operation], on: #"{"a":{"a":{"d":{}}},"c":[]}"#, limit)
            #expect(found == (isAllowed ? nil : .resultTooDeep(limit: 4)), "\(operation)")
        }
        // What was deep once and is not any more can move.
        let flatten = [
            #"{"op":"add","path":"/a/x","value":1}"#, #"{"op":"remove","path":"/a/a"}"#, #"{"op":"copy","from":"/a","path":"/b/b/b"}"#,
        ]
        #expect(try reason(flatten, on: #"{"a":{"a":{"a":{}}},"b":{"b":{}}}"#, limit) == nil)
        // What became deep inside is deep.
        let grow = [#"{"op":"add","path":"/a/b/x","value":{}}"#, #"{"op":"copy","from":"/a","path":"/c/d"}"#]
        #expect(try reason(grow, on: #"{"a":{"b":{}},"c":{"d":{}}}"#, limit) == .resultTooDeep(limit: 4))
        // Each step puts the document deeper into itself.
        let deeper = #"{"op":"copy","from":"","path":"/a"}"#
        #expect(try reason([String](repeating: deeper, count: 300), on: #"{"a":1}"#) == .resultTooDeep(limit: 256))
        let objects = (0..<400).map { "\"\($0)\":{}" }.joined(separator: ",")
        let moves = (0..<399).map { #"{"op":"move","from":"/\#($0)","path":"/\#($0 + 1)/x"}"# }
        #expect(try reason(moves, on: "{\(objects)}") == .resultTooDeep(limit: 256))
    }

    @Test func deepPointersAndDocuments() throws {
        let deep = { (depth: Int) in String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }
        let path = String(repeating: "/0", count: 255)
        #expect(try reason([#"{"op":"add","path":"\#(path)/0","value":1}"#], on: deep(256)) == nil)
        #expect(try reason([#"{"op":"add","path":"\#(path)/0","value":[]}"#], on: deep(256)) == .resultTooDeep(limit: 256))
        #expect(
            try reason([#"{"op":"remove","path":"\#(String(repeating: "/0", count: 500_000))"}"#], on: deep(256))
                == .outOfBounds(path: String(repeating: "/0", count: 100) + "…", count: 0))
        #expect(try reason([#"{"op":"add","path":"","value":\#(deep(256))}"#], on: "{}") == nil)
        guard case .notJSON(let fault) = try reason([#"{"op":"add","path":"","value":\#(deep(257))}"#], on: "{}") else {
            Issue.record("not refused")
            return
        }
        #expect(fault.isTooDeep)
    }

    /// As many as a patch may have, at the front of a long array, do not move all of it each.
    @Test func manyChangesOfALongArray() throws {
        let large = "[\(String(repeating: "0,", count: 300_000))0]"
        let operations = (0..<5_000).flatMap { number in
            [#"{"op":"add","path":"/0","value":\#(number)}"#, #"{"op":"remove","path":"/\#(number + 1)"}"#]
        }
        let result = try JSONPatch(Array("[\(operations.joined(separator: ","))]".utf8)).apply(to: parse(large))
        #expect(text(result).hasPrefix("[4999,4998,") && result.count > 600_000)
    }
}

struct PieceTableTests {
    @Test(arguments: [UInt64.random(in: 1 ... .max)])
    func isAnArray(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var expected = Array(0..<Int.random(in: 0...3_000, using: &random))
        var table = PieceTable(expected, count: expected.count, placeholder: Int.min)
        for number in 0..<20_000 {
            let place = Int.random(in: 0...expected.count, using: &random)
            // Now more are added, now more are removed, so that it becomes empty at times.
            let isAdded = Int.random(in: 0..<10, using: &random) < (number / 2_000 % 2 == 0 ? 8 : 2)
            if isAdded || place == expected.count {
                // Often at one place, so that pieces are split.
                let place = number % 3 == 0 ? place : min(7, expected.count)
                expected.insert(number, at: place)
                table.insert(number, at: place)
            } else if number % 5 == 0 {
                expected[place] = -number
                table.update(at: place) { $0 = -number }
            } else {
                let isEqual = table[place] == expected[place] && table.remove(at: place) == expected.remove(at: place)
                if !isEqual { Issue.record("seed \(seed), step \(number)") }
            }
            if table.count != expected.count { Issue.record("seed \(seed), step \(number)") }
        }
        #expect(Array(table) == expected, "seed \(seed)")
        while table.count > 0 { _ = table.remove(at: table.count / 2) }
        #expect(Array(table).isEmpty)
        table.insert(1, at: 0)
        #expect(Array(table) == [1])
    }
}
