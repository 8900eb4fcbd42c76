import Foundation
import Synchronization
import Testing

@testable import JSON

/// Schemas and states that were made to take the server's stack, time or memory.
@Suite struct HostileSchemaTests {
    private func schema(_ text: String) throws -> (schema: JSONSchema?, faults: [DocumentFault]) {
        let document = try JSONDocument(Array(text.utf8), maximumDepth: 256)
        return schema(of: document, SchemaLimits.usual)
    }

    private func schema(of document: JSONDocument, _ limits: SchemaLimits) -> (schema: JSONSchema?, faults: [DocumentFault]) {
        var limits = limits
        limits.schemas = 40_000
        let (schema, faults) = SchemaReader.read(
            document.root, at: JSONPointer(["schema"]), limits, PatternTable(limits, isStored: false, .usual))
        return (schema, faults.first)
    }

    private func violations(_ schema: JSONSchema?, _ state: String, steps: Int? = nil) throws -> [Violation] {
        let document = try JSONDocument(Array(state.utf8), maximumDepth: 256)
        var report = RuleReport(WorkBudget(steps: steps ?? WorkBudget.usualSteps))
        try #require(schema).check(document.root, &report)
        return report.listed
    }

    private func nested(_ count: Int, _ open: String, _ inner: String, _ close: String) -> String {
        String(repeating: open, count: count) + inner + String(repeating: close, count: count)
    }

    // MARK: Stack

    /// Every definition leads to the next one, all of them are one chain.
    @Test(arguments: ["items", "not"]) func chainsOfAnyLengthAreRead(_ keyword: String) throws {
        let count = 15_000
        let definitions = (0..<count).map { ##""d\##($0)": {"\##(keyword)": {"$ref": "#/definitions/d\##($0 + 1)"}}"## }
        let last = ##""d\##(count)": {"type": "null"}"##
        let text = ##"{"$ref": "#/definitions/d0", "definitions": {\##(definitions.joined(separator: ", ")), \##(last)}}"##
        let (schema, faults) = try schema(text)
        if keyword == "not" {
            #expect(faults.map(\.message) == ["more than 32 nested schemas apply to the same value"])
        } else {
            #expect(faults.isEmpty)
            #expect(try violations(schema, nested(256, "[", "", "]")).isEmpty)
        }
    }

    @Test func longReferencesAreRefused() throws {
        let slashes = try schema(##"{"items": {"$ref": "#\##(String(repeating: "/", count: 1_000_000))"}}"##)
        #expect(slashes.faults.map(\.path) == ["/schema/items/$ref"])
        let names = try schema(##"{"items": {"$ref": "urn:a:\##(String(repeating: "b", count: 1_000_000))"}}"##)
        #expect(names.faults.map(\.path) == ["/schema/items/$ref"])
    }

    /// Runs something on a thread with so much stack.
    private func onThread<Value: Sendable>(stack: Int, _ body: @escaping @Sendable () throws -> Value) throws -> Value {
        let result = Mutex<Result<Value, any Error>?>(nil)
        let done = DispatchSemaphore(value: 0)
        let thread = Thread {
            let outcome = Result { try body() }
            result.withLock { $0 = outcome }
            done.signal()
        }
        thread.stackSize = stack
        thread.start()
        done.wait()
        return try #require(result.withLock { $0 }).get()
    }

    /// As deep as a state may be, with as many schemas for each value as the nesting allows, and with more. A quarter of the stack that
    /// threads have must do, in a debug build too.
    @Test(arguments: [(1, true), (4, false)]) func deepStatesEndBeforeTheStackDoes(_ inPlace: Int, _ fits: Bool) throws {
        for keywords in [("allOf", "allOf"), ("anyOf", "oneOf"), ("not", "not")] {
            let open = (0..<inPlace).map { number in
                let name = number % 2 == 0 ? keywords.0 : keywords.1
                return name == "not" ? #"{"not": "# : #"{"\#(name)": ["#
            }
            let close = (0..<inPlace).reversed().map { (number: Int) in
                (number % 2 == 0 ? keywords.0 : keywords.1) == "not" ? "}" : "]}"
            }
            let inner = ##"{"items": {"$ref": "#"}, "properties": {"a": {"$ref": "#"}}}"##
            let text = open.joined() + inner + close.joined()
            // An odd number of "not" turns the answer of every second level around; how far down it goes is what matters here.
            let isReversed = keywords.0 == "not"
            for state in [nested(256, "[", "", "]"), nested(255, #"{"a":"#, "[]", "}")] {
                let found = try onThread(stack: 2 << 20) { try violations(schema(text).schema, state) }
                #expect(try violations(schema(text).schema, state) == found, "on a thread of the concurrency library")
                if fits, !isReversed { #expect(found.isEmpty, "\(found)") }
                if !fits { #expect(found.last?.message.contains("more than 512 schemas are nested") == true, "\(found)") }
            }
        }
    }

    // MARK: Time

    @Test func whatWouldTakeForEverIsNeverValid() throws {
        // Every level of the state doubles the work.
        let a = ##"{"properties": {"x": {"$ref": "#/definitions/a"}}, "required": ["y"]}"##
        let doubling = try schema(##"{"definitions": {"a": {"anyOf": [\##(a), \##(a)]}}, "$ref": "#/definitions/a"}"##).schema
        let reversed = try schema(##"{"definitions": {"a": {"anyOf": [\##(a), \##(a)]}}, "not": {"$ref": "#/definitions/a"}}"##).schema
        let state = nested(200, #"{"x":"#, "1", "}")
        for schema in [doubling, reversed] {
            let found = try violations(schema, state, steps: 100_000)
            #expect(found.map(\.message) == ["cannot be checked against the schema: that would take too long"])
        }
        let numbers = "[" + (0..<100_000).map { "\($0)" }.joined(separator: ",") + "]"
        #expect(try violations(try schema(#"{"uniqueItems": true}"#).schema, numbers).isEmpty)
        #expect(try violations(try schema(#"{"items": {"type": "number"}}"#).schema, numbers, steps: 10_000).count == 1)
    }

    private static let givenUp = ["cannot be checked against the schema: that would take too long"]

    /// Of equal names only the last member counts, but to find it all are looked at, by every schema again.
    @Test func repeatedNamesArePaidFor() throws {
        let leaf = #"{"required": ["a"]}"#
        var text = leaf
        for _ in 0..<3 { text = #"{"allOf": [\#(text), \#(text)]}"# }
        let state = "{" + Array(repeating: #""a": 1"#, count: 100_000).joined(separator: ",") + "}"
        #expect(try violations(try schema(text).schema, state, steps: 1_000_000).map(\.message) == Self.givenUp)
        #expect(try violations(try schema(leaf).schema, state, steps: 1_000_000).isEmpty)
    }

    @Test func longNumbersArePaidFor() throws {
        let number = "1." + String(repeating: "0", count: 1_598)
        let state = "[" + Array(repeating: number, count: 400).joined(separator: ",") + "]"
        let integers = try schema(#"{"items": {"type": "integer"}}"#).schema
        #expect(try violations(integers, state, steps: 20_000).map(\.message) == Self.givenUp)
        #expect(try violations(integers, state, steps: 100_000).isEmpty)
    }

    /// A small element can be held against very much.
    @Test func whatIsLongInTheSchemaIsPaidFor() throws {
        let names = (0..<2_000).map { "\"n\($0)\"" }.joined(separator: ",")
        let digits = String(repeating: "1", count: 20_000)
        let cases = [
            (#"{"not": {"required": [\#(names)]}}"#, #"{"a": 1}"#), (#"{"not": {"dependencies": {"a": [\#(names)]}}}"#, #"{"a": 1}"#),
            (#"{"maximum": \#(digits)}"#, "1"),
        ]
        for (text, element) in cases {
            let list = try schema(#"{"items": \#(text)}"#).schema
            #expect(try violations(list, "[\(element)]", steps: 50_000).isEmpty, "\(text.prefix(40))")
            let state = "[" + Array(repeating: element, count: 1_000).joined(separator: ",") + "]"
            #expect(try violations(list, state, steps: 50_000).map(\.message) == Self.givenUp, "\(text.prefix(40))")
        }
    }

    /// The limits are those of patterns in a definition.
    @Test func textsThatMustBePatternsAreBounded() throws {
        let text = #"{"items": {"format": "regex"}}"#
        let long = { (count: Int) in "\"" + String(repeating: "a", count: count) + "\"" }
        let usual = try schema(text).schema
        #expect(try violations(usual, "[\(long(1_000))]").isEmpty)
        let found = try violations(usual, "[\(long(1_001))]")
        #expect(found.map(\.message) == ["is too long to be checked as regex: it has 1001 bytes, the limit is 1000"])
        let many = "[" + Array(repeating: long(200), count: 10).joined(separator: ",") + "]"
        #expect(try violations(usual, many).isEmpty)
        #expect(try violations(usual, many, steps: 20_000).map(\.message) == Self.givenUp)

        var limits = SchemaLimits.usual
        limits.patternBytes = 7
        limits.patternMemoryBytes = 4 << 10
        let document = try JSONDocument(Array(text.utf8), maximumDepth: 256)
        let small = schema(of: document, limits).schema
        #expect(try violations(small, #"["a{2}", "a{1000}", "aaaaaaaa"]"#).map(\.path) == ["/1", "/2"])
    }

    @Test func patternsTakeNoLongerThanTheTextIsLong() throws {
        let text = "\"" + String(repeating: "ab", count: 200_000) + "c\""
        #expect(try violations(try schema(#"{"pattern": "^(a|b)*$"}"#).schema, text).count == 1)
        #expect(try violations(try schema(#"{"pattern": "^((a|b)+)+$"}"#).schema, text).count == 1)
        // More states than fit into the memory of a pattern: what is left has a budget.
        let found = try violations(
            try schema(#"{"items": {"pattern": "[ab]*a[ab]{300}d"}}"#).schema,
            "[\(Array(repeating: text, count: 5).joined(separator: ", "))]")
        #expect(found.contains { $0.message == Self.givenUp[0] }, "\(found)")
    }

    @Test func manyReferencesToManyDefinitionsAreReadAtOnce() throws {
        let count = 8_000
        let definitions = (0..<count).map { ##""d\##($0)": {"type": "null"}"## }.joined(separator: ", ")
        let references = (0..<count).map { ##"{"$ref": "#/definitions/d\##($0)"}"## }.joined(separator: ", ")
        let (schema, faults) = try schema(#"{"definitions": {\#(definitions)}, "items": [\#(references)]}"#)
        #expect(faults.isEmpty && schema?.subschemas.count == 2 * count + 1)
    }

    // MARK: Memory

    @Test func violationsAreBoundedAndCounted() throws {
        let schema = try schema(#"{"additionalProperties": {"items": {"type": "string"}}}"#).schema
        let many = try violations(schema, #"{"a": [\#(String(repeating: "1,", count: 9_999))1]}"#)
        #expect(many.count == 1_001 && many.last?.message == "and 9000 more violations, which are not listed")
        let name = String(repeating: "n", count: 300_000)
        let long = try violations(schema, #"{"\#(name)": [\#(String(repeating: "1,", count: 99))1]}"#)
        #expect(long.count == 5 && long.last?.message == "and 96 more violations, which are not listed")
    }

    @Test func manyPatternsAndFaultsAreBounded() throws {
        let patterns = (0..<200).map { #"{"pattern": "a\#($0)"}"# }.joined(separator: ",")
        #expect(try schema(#"{"items": [\#(patterns)]}"#).faults.map(\.path) == ["/schema/items/64/pattern"])
        let same = (0..<200).map { _ in #"{"pattern": "a"}"# }.joined(separator: ",")
        #expect(try schema(#"{"items": [\#(same)]}"#).faults.isEmpty)
    }

    // MARK: Threads, chance

    @Test func manyThreadsShareASchema() async throws {
        let text =
            ##"{"items": {"$ref": "#/definitions/a"}, "definitions": {"a": {"pattern": "^a+$", "enum": ["a", "aa"]}}, "uniqueItems": true}"##
        let schema = try #require(try schema(text).schema)
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<200 {
                        let found = try? violations(schema, #"["a", "aa", "b", "a"]"#)
                        #expect(found?.map(\.path) == ["/2", "/2", ""])
                    }
                }
            }
        }
    }

    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
    }

    private static let pieces = [
        "null", "true", "[]", "{}", "\"\"", "-1", "1e999", "[{}]", ##"{"$ref": "#"}"##, ##"{"$ref": "#/definitions/a"}"##, #""\ud800""#,
        "0.5",
        #"{"$id": "x", "$ref": "y"}"#, #""[""#, #"{"not": true}"#, #"["a", "b"]"#,
    ]

    @Test(arguments: [1, 2, 3] as [UInt64]) func damagedSchemasAreReadOrRefused(seed: UInt64) throws {
        var generator = Generator(state: seed)
        let text = ##"""
            {"$id": "http://a/b", "definitions": {"a": {"type": ["array", "null"], "items": {"$ref": "#"}, "uniqueItems": true}},
             "properties": {"a": {"$ref": "#/definitions/a"}, "b": {"pattern": "^x", "maxLength": 3, "format": "uri"}},
             "patternProperties": {"^c": {"multipleOf": 0.5, "minimum": 1}}, "additionalProperties": {"enum": [1, "x", null]},
             "required": ["a"], "dependencies": {"a": ["b"], "b": {"minProperties": 2}}, "propertyNames": {"maxLength": 4},
             "if": {"required": ["c"]}, "then": {"not": {"const": 1}}, "else": {"anyOf": [{"oneOf": [true, false]}, {"contains": {}}]}}
            """##
        var read = 0
        for _ in 0..<3_000 {
            var damaged = Array(text.utf8)
            for _ in 0...Int.random(in: 0..<3, using: &generator) {
                let start = Int.random(in: 0..<damaged.count, using: &generator)
                if let colon = damaged[start...].firstIndex(of: UInt8(ascii: ":")), Int.random(in: 0..<4, using: &generator) > 0 {
                    let stop = damaged[(colon + 1)...].firstIndex { ",}\n".utf8.contains($0) } ?? damaged.endIndex
                    damaged.replaceSubrange((colon + 1)..<stop, with: Array((Self.pieces.randomElement(using: &generator) ?? "").utf8))
                } else {
                    damaged.removeSubrange(start..<min(damaged.count, start + Int.random(in: 0..<12, using: &generator)))
                }
            }
            guard let document = try? JSONDocument(damaged, maximumDepth: 64) else { continue }
            let (schema, faults) = self.schema(of: document, SchemaLimits.usual)
            guard schema != nil else {
                #expect(!faults.isEmpty && faults.allSatisfy { !$0.message.isEmpty })
                continue
            }
            read += 1
            for state in ["{}", text, #"{"a": [[], null, [[]], []], "b": "\ud800", "c1": 1e400, "d": "x"}"#, "[1, 1]", "null"] {
                _ = try violations(schema, state)
            }
        }
        #expect(read > 100, "seed \(seed): only \(read) were still schemas")
    }

    // MARK: Patterns

    /// Each takes milliseconds to compile: together they must not fit into what an event loop tries (10,000 steps).
    @Test(arguments: [
        "(a|b){1,1000}", "[a-z]{1,1000}", #"\w{1,1000}"#, #"(\w+\s?){1,300}"#, "[^a]{1,1000}", "((a{10}){10}){10}", "(?i)[a-z]{1000}",
        ".{1000}", "((((a|b)*c)+d)?e){1,200}", #"\p{L}{1,50}"#,
    ])
    func repetitionsAreCharged(_ pattern: String) {
        let steps = TextPattern.compilingSteps(pattern, memory: SchemaLimits.usual.patternMemoryBytes)
        #expect(steps > 10_000 && steps <= SchemaLimits.usual.patternMemoryBytes, "\(steps)")
    }

    @Test(arguments: [
        #"^\d{4}-\d{2}-\d{2}$"#, "^[a-z0-9_-]{3,16}$", "x*y+z?", "a{", "{{{{", "a{x}", "a{1,", "(a){2}",
    ])
    func ordinaryPatternsCostLittle(_ pattern: String) {
        #expect((1..<10_000).contains(TextPattern.compilingSteps(pattern, memory: SchemaLimits.usual.patternMemoryBytes)))
    }

    @Test func aRegexThatAStateHoldsIsChargedToo() throws {
        let (schema, _) = try self.schema(#"{"items": {"format": "regex"}}"#)
        let state = "[" + Array(repeating: #""(a|b){1,1000}""#, count: 10).joined(separator: ",") + "]"
        let messages = try violations(schema, state, steps: 10_000).map(\.message)
        #expect(messages == ["cannot be checked against the schema: that would take too long"])
    }
}
