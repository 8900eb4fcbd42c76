import TestSupport
import Testing

@testable import FlowModel
@testable import JSON

@Suite struct WorkBudgetTests {
    @Test func stepsAreCountedToTheLast() throws {
        let budget = WorkBudget(steps: 10_000)
        try budget.spend(9_999)
        #expect(budget.left == 1 && budget.spent == 9_999)
        try budget.spend(1)
        #expect(budget.left == 0)
        try budget.spend(0)
        #expect(throws: WorkStopped.exhausted(limit: 10_000)) { try budget.spend(1) }
    }

    /// What was too much once does not go on with what is small.
    @Test func anEndIsAnEnd() {
        let budget = WorkBudget(steps: 100)
        #expect(throws: WorkStopped.exhausted(limit: 100)) { try budget.spend(101) }
        #expect(throws: WorkStopped.exhausted(limit: 100)) { try budget.spend(1) }
        #expect(budget.left == 0 && budget.spent == 100)
    }

    @Test(arguments: [WorkStopped.deadline, .cancelled, .stopping]) func anInterruptionIsSeenSoon(_ reason: WorkStopped) throws {
        var (asked, isOver) = (0, false)
        let budget = WorkBudget(steps: .max) {
            asked += 1
            return isOver ? reason : nil
        }
        for _ in 0..<100_000 { try budget.spend(1) }
        // Often, but not at every step.
        #expect((10..<1_000).contains(asked), "\(asked)")
        isOver = true
        var steps = 0
        #expect(throws: reason) {
            while true {
                try budget.spend(1)
                steps += 1
            }
        }
        #expect(steps < 10_000)
        isOver = false
        #expect(throws: reason) { try budget.spend(1) }
    }

    @Test func aPartIsBoundedByTheWhole() throws {
        let budget = WorkBudget(steps: 1_000)
        let part = budget.part(steps: 100)
        try part.spend(100)
        #expect(throws: WorkStopped.exhausted(limit: 100)) { try part.spend(1) }
        try budget.spend(part.spent)
        #expect(budget.left == 900)
        #expect(budget.part(steps: 5_000).left == 900)
    }

    @Test func stopsAreErrors() {
        #expect(StateError(WorkStopped.exhausted(limit: 7)) == .workLimitExceeded(limit: 7))
        #expect(StateError(WorkStopped.exhausted(limit: 7)).reason == "WORK_LIMIT_EXCEEDED")
        #expect(StateError(WorkStopped.deadline).reason == "DEADLINE_EXCEEDED")
        #expect(StateError(WorkStopped.cancelled) == .cancelled)
        #expect(StateError(WorkStopped.stopping).reason == "DATABASE_UNAVAILABLE")
    }
}

/// Work that input decides ends with the budget, and gives the same with any that is enough.
@Suite struct WorkTests {
    private func steps<Value>(_ body: (WorkBudget) throws -> Value) rethrows -> (value: Value, steps: Int) {
        let budget = WorkBudget(steps: .max)
        let value = try body(budget)
        return (value, budget.spent)
    }

    private func definition(_ rules: String) throws -> FlowDefinition {
        try DefinitionReader.read(Array(#"{"flow_type": "t", "rules": [\#(rules)]}"#.utf8), limits: Limits())
    }

    private func list(_ count: Int, _ prefix: String) -> String {
        "[" + (0..<count).map { "\"\(prefix)\($0)\"" }.joined(separator: ",") + "]"
    }

    /// Twice as much input takes about twice as many steps.
    @Test(arguments: [
        #"{"rule": "elements", "path": "/a", "rules": [{"rule": "not_listed", "in": "/b"}]}"#,
        #"{"rule": "elements", "path": "/a", "rules": [{"rule": "required", "path": "/x"}, {"rule": "one_of", "values": ["y"]}]}"#,
        #"{"rule": "elements", "path": "/a", "rules": [{"rule": "pattern", "pattern": "^a[0-9]*$"}, {"rule": "format", "format": "uuid"}]}"#,
        #"{"rule": "keys", "path": "/c", "values": ["k1"]}, {"rule": "values", "path": "/c", "rules": [{"rule": "range", "minimum": 1}]}"#,
    ]) func rulesAreLinearInTheState(rules: String) throws {
        let validator = StateValidator(try definition(rules), limits: Limits())
        let cost = { (count: Int) in
            let members = (0..<count).map { "\"k\($0)\": \($0)" }.joined(separator: ",")
            let state = "{\"a\": \(list(count, "a")), \"b\": \(list(count, "b")), \"c\": {\(members)}}"
            return try steps { try validator.validate(Array(state.utf8), budget: $0) }.steps
        }
        let (one, other) = (try cost(4_000), try cost(8_000))
        #expect(other < one * 5 / 2, "\(one), \(other)")
    }

    /// Each with a list that is as long as the document.
    @Test func readingADefinitionIsLinear() throws {
        var limits = Limits()
        (limits.definitionPhases, limits.definitionStatuses, limits.definitionRules, limits.labels) = (.max, .max, .max, .max)
        let documents: [(Int) -> String] = [
            { n in
                #""phases": [\#((0..<n).map { #"{"name": "p\#($0)", "requires": ["p\#($0 + 1)"]}"# }.joined(separator: ",")), {"name": "p\#(n)"}]"#
            },
            { n in #""statuses": [\#((0..<n).map { #"{"name": "s\#($0)"}"# }.joined(separator: ","))]"# },
            { n in #""labels": {\#((0..<n).map { #""l\#($0)": "/l"# + "\($0)\"" }.joined(separator: ","))}"# },
            { n in #""rules": [\#((0..<n).map { _ in #"{"rule": "required", "path": "/a"}"# }.joined(separator: ","))]"# },
            { n in #""rules": [{"rule": "one_of", "path": "/a", "values": [\#((0..<n).map { "\"v\($0)\"" }.joined(separator: ","))]}]"# },
        ]
        for document in documents {
            let cost = { (count: Int) in
                let text = #"{"flow_type": "t", \#(document(count))}"#
                return try steps { try DefinitionReader.read(Array(text.utf8), limits: limits, budget: $0) }.steps
            }
            let (one, other) = (try cost(1_000), try cost(2_000))
            #expect(other < one * 5 / 2, "\(document(2)): \(one), \(other)")
        }
    }

    @Test func aStateThatTakesTooMuchWorkIsNeverValid() throws {
        let rules = (0..<100).map {
            #"{"rule": "elements", "name": "r\#($0)", "path": "/a", "rules": [{"rule": "not_listed", "in": "/b"}]}"#
        }
        let validator = StateValidator(try definition(rules.joined(separator: ",")), limits: Limits())
        let state = Array("{\"a\": \(list(500, "a")), \"b\": \(list(500, "b"))}".utf8)
        let (whole, cost) = try steps { try validator.validate(state, budget: $0) }
        #expect(whole.isValid)
        #expect(try validator.validate(state, budget: WorkBudget(steps: cost)).isValid)
        for steps in [0, 1, 100, cost / 2, cost - 1] {
            let report = try validator.validate(state, budget: WorkBudget(steps: steps))
            #expect(report.violations.map(\.rule) == ["work"], "\(steps) of \(cost)")
        }
        #expect(throws: StateError.cancelled) { try validator.validate(state, budget: WorkBudget(steps: .max) { .cancelled }) }
    }

    @Test func patchesAndDifferencesEndWithTheBudget() throws {
        let old = try parse("{\(list(2_000, "m").dropFirst().dropLast().split(separator: ",").map { "\($0):1" }.joined(separator: ","))}")
        let new = try parse("{\(list(2_000, "n").dropFirst().dropLast().split(separator: ",").map { "\($0):[1]" }.joined(separator: ","))}")
        let works: [(WorkBudget) throws -> [UInt8]] = [
            { try JSONDiff.patch(from: old, to: new, budget: $0) }, { try MergePatch.apply(new, to: old, budget: $0) },
            {
                try JSONPatch(Array(#"[{"op":"add","path":"/x","value":1}]"#.utf8), limits: PatchLimits(.defaults), budget: $0).apply(
                    to: old, budget: $0)
            },
        ]
        for work in works {
            let (result, cost) = try steps(work)
            #expect(try work(WorkBudget(steps: cost)) == result)
            for steps in [0, cost / 2, cost - 1] {
                #expect(throws: (any Error).self, "\(steps) of \(cost)") { try work(WorkBudget(steps: steps)) }
            }
        }
    }

    /// Definitions, states and budgets by chance: what is computed takes no more steps than it may, and what it says is the same with every
    /// budget that is enough.
    @Test(arguments: [UInt64.random(in: 1 ... .max), 4_711]) func randomWork(seed: UInt64) throws {
        var json = RandomJSON(seed: seed)
        var random = SeededGenerator(seed: seed)
        var (ended, finished) = (0, 0)
        for number in 0..<300 {
            let rules = (0..<Int.random(in: 0...6, using: &random)).map { _ in
                let path = ["/a", "/b", "/a/b", "/c/0", ""].randomElement(using: &random) ?? ""
                let inner =
                    [
                        #"{"rule": "not_listed", "in": "/b"}"#, #"{"rule": "pattern", "pattern": "[ab]*a[ab]{20}"}"#,
                        #"{"rule": "required", "path": "/a"}"#,
                        #"{"rule": "range", "minimum": 1e-9}"#, #"{"rule": "one_of", "values": ["a", "é"]}"#,
                    ].randomElement(using: &random) ?? ""
                let kind = ["elements", "values"].randomElement(using: &random) ?? ""
                return #"{"rule": "\#(kind)", "path": "\#(path)", "rules": [\#(inner), \#(inner)]}"#
            }
            let schema =
                Bool.random(using: &random)
                ? #""schema": {"additionalProperties": {"uniqueItems": true, "not": {"const": \#(json.value())}}},"# : ""
            let labels = Bool.random(using: &random) ? #""labels": {"l": "/a", "m": "/b/a"},"# : ""
            let document = Array(
                #"{"flow_type": "t", "on_save": "warn", \#(schema) \#(labels) "rules": [\#(rules.joined(separator: ","))]}"#.utf8)
            let key = try FlowKey(tenant: "t", flowID: "f", limits: .defaults)
            let (old, new) = (Array(json.value().utf8), Array(json.object(["a", "b", "c"].map { ($0, json.value()) }).utf8))
            let work = { (budget: WorkBudget) throws(StateError) -> String in
                let definition = try DefinitionReader.read(document, limits: Limits(), budget: budget)
                let report = try StateValidator(definition, limits: Limits()).validate(new, budget: budget)
                let save = SaveCommand(key: key, actor: "a", state: new)
                let (saved, warnings) = try save.following(definition, from: .absent, limits: Limits(), budget: budget)
                let diff = try StateError.counting { () throws(WorkStopped) in
                    guard let one = try JSONDocument.parse(old, maximumDepth: 256, budget).value,
                        let other = try JSONDocument.parse(new, maximumDepth: 256, budget).value
                    else { return [UInt8]() }
                    return try JSONDiff.patch(from: one, to: other, budget: budget)
                }
                return "\(report) \(saved.labelChanges as Any) \(warnings) \(text(diff))"
            }
            let whole = WorkBudget(steps: .max)
            let expected = try work(whole)
            let cost = whole.spent
            for steps in [cost, cost + 1, Int.random(in: 0..<cost, using: &random)] {
                let budget = WorkBudget(steps: steps)
                let result = Result { () throws(StateError) in try work(budget) }
                #expect(budget.spent <= steps, "seed \(seed), \(number)")
                switch result {
                case .success(let text) where text == expected: finished += 1
                // A state that could not be checked is in breach of a rule, and its warning says so.
                case .success(let text):
                    if !text.contains("would take") { Issue.record("seed \(seed), \(number): \(text), not \(expected)") }
                case .failure(let error):
                    ended += 1
                    if steps >= cost || error != .workLimitExceeded(limit: steps) { Issue.record("seed \(seed), \(number): \(error)") }
                }
            }
        }
        #expect(finished >= 600 && ended > 50, "seed \(seed): \(finished), \(ended)")
    }
}
