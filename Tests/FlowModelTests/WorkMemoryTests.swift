import CJSON
import TestSupport
import Testing

@testable import FlowModel
@testable import JSON

/// What a computation takes of memory is asked for before it is taken, and nothing goes on without it.
@Suite struct WorkMemoryTests {
    private static let full = WorkStopped.refused(StateError.overloaded(queued: 1, limit: 2, unit: "bytes", retryAfterMilliseconds: 3))

    private func budget(limit: Int) -> WorkBudget {
        var granted = 0
        return WorkBudget(steps: .max) {
            nil
        } reserve: { bytes in
            if granted + bytes > limit { return Self.full }
            granted += bytes
            return nil
        }
    }

    @Test func atBelowAndAboveWhatIsFree() throws {
        let budget = budget(limit: 0)
        try budget.take(bytes: WorkBudget.unasked - 1)
        try budget.take(bytes: 1)
        #expect(budget.reserved == 0)
        #expect(throws: Self.full) { try budget.take(bytes: 1) }
        // An end is an end.
        budget.giveBack(bytes: 100)
        #expect(throws: Self.full) { try budget.spend(1) }
    }

    @Test func isAskedForInPortions() throws {
        let budget = budget(limit: .max)
        try budget.take(bytes: WorkBudget.unasked + 1)
        #expect(budget.reserved == WorkBudget.portion)
        try budget.take(bytes: WorkBudget.portion - 1)
        #expect(budget.reserved == WorkBudget.portion)
        try budget.take(bytes: 3 * WorkBudget.portion)
        #expect(budget.reserved == 4 * WorkBudget.portion)
        // What is free again is taken again, unasked.
        budget.giveBack(bytes: 2 * WorkBudget.portion)
        try budget.take(bytes: 2 * WorkBudget.portion)
        #expect(budget.reserved == 4 * WorkBudget.portion)
    }

    @Test func aPartTakesOfTheWhole() throws {
        let budget = budget(limit: WorkBudget.portion)
        let part = budget.part(steps: 10)
        try part.take(bytes: 2 * WorkBudget.unasked + WorkBudget.portion)
        #expect(budget.reserved == WorkBudget.portion)
        #expect(throws: Self.full) { try part.take(bytes: WorkBudget.portion) }
        #expect(throws: Self.full) { try budget.spend(1) }
    }

    @Test func extremeNumbersAreRefused() throws {
        let budget = budget(limit: 1 << 40)
        try budget.take(bytes: 1)
        #expect(throws: Self.full) { try budget.take(bytes: .max) }
    }

    @Test func aRefusalIsTheCallsError() {
        #expect(StateError(Self.full).reason == "OVERLOADED")
    }

    /// Every kind of work on a state of a hundred thousand values.
    @Test(arguments: ["array", "object"]) func allWorkAsksFirst(_ kind: String) throws {
        let state = { (count: Int, factor: Int) in
            let values = (0..<count).map { kind == "array" ? "\($0 * factor)" : "\"\($0 * factor)\":\($0)" }.joined(separator: ",")
            return Array((kind == "array" ? "[\(values)]" : "{\(values)}").utf8)
        }
        let rules =
            #"{"rule": "values", "path": "", "rules": []}, {"rule": "elements", "path": "", "rules": [{"rule": "not_listed", "in": ""}]}"#
        let definition = try DefinitionReader.read(
            Array(#"{"flow_type": "t", "rules": [\#(rules)], "schema": {"uniqueItems": true, "required": ["0"]}}"#.utf8), limits: Limits())
        let path = kind == "array" ? "/0" : "/x"
        let works: [(Int, WorkBudget) throws -> Void] = [
            { count, budget in
                let documents = try [2, 3].map { try JSONDocument.parse(state(count, $0), maximumDepth: 9, budget).get() }
                _ = try JSONDiff.patch(from: documents[0], to: documents[1], budget: budget)
            },
            { count, budget in
                let documents = try [2, 3].map { try JSONDocument.parse(state(count, $0), maximumDepth: 9, budget).get() }
                _ = try MergePatch.apply(documents[0], to: documents[1], budget: budget)
            },
            { count, budget in
                let patch = Array(#"[{"op":"add","path":"\#(path)","value":1},{"op":"test","path":"","value":{"a":1}}]"#.utf8)
                let document = try JSONDocument.parse(state(count, 1), maximumDepth: 9, budget).get()
                do {
                    _ = try JSONPatch(patch, limits: PatchLimits(.defaults), budget: budget).apply(to: document, budget: budget)
                } catch JSONPatchError.Reason.stopped(let stopped) {
                    throw stopped
                } catch let error as JSONPatchError {
                    if case .stopped(let stopped) = error.reason { throw stopped }
                }
            },
            { count, budget in _ = try StateValidator(definition, limits: Limits()).validate(state(count, 1), budget: budget) },
            { count, budget in
                _ = try StateValidator(definition, limits: Limits()).validate(state(count, 1), depth: .minimal, budget: budget)
            },
        ]
        for (number, work) in works.enumerated() {
            try work(100, budget(limit: 0))
            #expect(throws: (any Error).self, "\(number)") { try work(100_000, budget(limit: 0)) }
            // A text of a few bytes a value takes no more than some ten times as much.
            try work(100_000, budget(limit: 24 << 20))
        }
    }
}

/// What is remembered and what requests take are parts of one bound.
@Suite struct MemorySharesTests {
    @Test func areOneBound() {
        var limits = Limits()
        #expect(limits.requestBytes == 168 << 20)
        let all = {
            limits.requestBytes + limits.versionCacheBytes + limits.definitionCacheBytes + limits.definitionDirectoryBytes
                + limits.commonBytes
        }
        #expect(all() == limits.memoryBytes)
        limits.versionCacheBytes = 0
        #expect(all() == limits.memoryBytes)
        // However large the cache and small the bound: most of it is for requests.
        (limits.versionCacheBytes, limits.memoryBytes) = (1 << 40, 1 << 20)
        #expect(limits.requestBytes > limits.memoryBytes * 5 / 8)
    }
}

@Suite struct StringTableTests {
    @Test(arguments: [UInt64.random(in: 1 ... .max)]) func isADictionary(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            let names = (0..<Int.random(in: 0...40, using: &random)).map { _ in "\(Int.random(in: 0...60, using: &random))" }
            let members = names.enumerated().map { "\"\($1 == "7" ? "\\u0037" : $1)\":\($0)" }
            let document = try parse("{\(members.joined(separator: ","))}")
            let table = try StringTable(document.root.members, .usual)
            let last = Dictionary(names.enumerated().map { ($1, $0) }) { $1 }
            #expect(table.count == last.count && table.hasRepeats == (last.count < names.count), "seed \(seed)")
            for number in 0...61 {
                let name = JSONName("\(number)")
                #expect(table[name]?.double == last["\(number)"].map { Double($0) }, "seed \(seed)")
                #expect(table.contains(name) == (last["\(number)"] != nil))
            }
            let kept = document.root.members.filter { table.isLast($0.key) }.map { text($0.value.text) }
            #expect(kept == last.values.sorted().map { "\($0)" }, "seed \(seed)")
        }
    }

    @Test func givesItsMemoryBack() throws {
        let budget = WorkBudget(steps: .max)
        let document = try parse("{\((0..<100_000).map { "\"\($0)\":1" }.joined(separator: ","))}")
        for _ in 0..<10 { _ = try StringTable(document.root.members, budget).count }
        #expect(budget.reserved < 4 << 20)
    }
}

@Suite struct NodeCountTests {
    /// There is always room for all nodes, and hardly more than that.
    @Test(arguments: [UInt64.random(in: 1 ... .max), 4_711]) func countsNodes(seed: UInt64) throws {
        var json = RandomJSON(seed: seed)
        for _ in 0..<5_000 {
            let bytes = Array((json.space() + json.value() + json.space()).utf8)
            let document = try JSONDocument(bytes, maximumDepth: 256)
            let blank = document.nodes.count { node in
                let inner = bytes[Int(node.begin)..<Int(node.end)].dropFirst().dropLast()
                return [CJSON_ARRAY.rawValue, CJSON_OBJECT.rawValue].contains(node.kind_and_height & 0x7F) && !inner.isEmpty
                    && inner.allSatisfy { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
            }
            #expect(JSONDocument.nodeCount(bytes[...]) == document.nodes.count + blank, "seed \(seed): \(text(bytes))")
        }
    }

    /// Of what is no JSON there may be as many as come before the fault: reading stops there in any case.
    @Test(arguments: [UInt64.random(in: 1 ... .max)]) func whatIsNoJSONFits(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let alphabet = Array("[]{},:\"\\1 et\u{0}".utf8)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...200, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? 0 }
            var (count, error) = (0, cjson_error())
            let room = JSONDocument.nodeCount(bytes[...])
            let nodes = [cjson_node](unsafeUninitializedCapacity: room) { nodes, initialized in
                _ = cjson_parse(bytes, bytes.count, 256, nodes.baseAddress, room, &count, &error)
                initialized = min(count, room)
            }
            #expect(count <= room, "seed \(seed): \(text(bytes)), \(nodes.count)")
        }
    }

    @Test func beyondTheRoomIsSaid() {
        for room in 0..<6 {
            var (count, error) = (0, cjson_error())
            let bytes = Array("[1,2,[3]]".utf8)
            let nodes = [cjson_node](unsafeUninitializedCapacity: 8) { nodes, initialized in
                let isParsed = cjson_parse(bytes, bytes.count, 9, nodes.baseAddress, room, &count, &error) == 1
                #expect(isParsed == (room == 5) && (isParsed ? count == 5 : count == room + 1))
                initialized = min(count, room)
            }
            #expect(nodes.count == room)
        }
    }
}
