import Testing

@testable import FlowModel
@testable import JSON

/// What a definition makes of saves: the phase that a client names, the first phase, labels.
@Suite struct SaveFollowingTests {
    private static let phases = """
        "paths": {"completion": "/done"},
        "phases": [{"name": "cart", "complete_on_leave": true}, {"name": "paid", "requires": ["cart"]}, \
        {"name": "sent", "requires": ["paid"]}, {"name": "kept", "requires": ["sent"], "terminal": true}]
        """

    private func definition(_ members: String) throws -> FlowDefinition {
        try DefinitionReader.read(Array("{\"flow_type\": \"o\", \(members)}".utf8), limits: Limits())
    }

    private func follow(
        _ definition: FlowDefinition, _ state: String = "{}", phase: String? = nil, from current: CurrentPlace,
        kind: VersionKind = .saved, _ change: (inout SaveCommand) -> Void = { _ in }
    ) throws -> SaveCommand {
        let key = try FlowKey(tenant: "t", flowID: "f", limits: .defaults)
        var command = SaveCommand(key: key, actor: "a", state: Array(state.utf8), kind: kind)
        command.phase = phase
        change(&command)
        return try command.following(definition, from: current, limits: Limits(), budget: .usual).command
    }

    // MARK: Phases

    @Test(arguments: [
        ("cart", "cart", "{}"), ("cart", "paid", "{}"), ("paid", "sent", #"{"done": {"cart": true, "paid": true}}"#),
        ("cart", "sent", #"{"done": {"cart": false, "paid": true}}"#), ("", "paid", #"{"done": {"cart": true}}"#),
        ("kept", "kept", "{}"), ("elsewhere", "cart", "{}"),
    ]) func aPhaseThatMayFollowIsSaved(from: String, to: String, state: String) throws {
        #expect(try follow(try definition(Self.phases), state, phase: to, from: .at(phase: from, status: "")).phase == to)
    }

    @Test(
        arguments: [
            ("cart", "nonsense", "{}", [], .unknownPhase), ("cart", "sent", "{}", ["paid"], nil),
            ("cart", "kept", "{}", ["paid", "sent"], nil), ("paid", "cart", "{}", [], .backward),
            ("kept", "cart", "{}", [], .ended(status: nil)), ("cart", "", "{}", [], .unknownPhase),
            ("paid", "sent", #"{"done": {"cart": true, "paid": 1}}"#, ["paid"], nil),
        ] as [(String, String, String, [String], StateError.TransitionFault?)]) func aPhaseThatMayNotFollowIsRefused(
            from: String, to: String, state: String, missing: [String], fault: StateError.TransitionFault?
        ) throws
    {
        let definition = try definition(Self.phases)
        #expect(throws: StateError.transitionNotAllowed(from: from, to: to, missing: missing, because: fault)) {
            try follow(definition, state, phase: to, from: .at(phase: from, status: ""))
        }
        // Where rules are not enforced, or a step of the flow's life or a restore brings the phase, that decides.
        for policy in ["warn", "off"] {
            let definition = try self.definition(Self.phases + #", "on_save": "\#(policy)""#)
            #expect(try follow(definition, state, phase: to, from: .at(phase: from, status: "")).phase == to)
        }
        #expect(try follow(definition, state, phase: to, from: .at(phase: from, status: ""), kind: .restored).phase == to)
    }

    @Test func aFlowBeginsInAnyPhaseThatThereIs() throws {
        let definition = try definition(Self.phases)
        #expect(try follow(definition, phase: "sent", from: .absent).phase == "sent")
        #expect(throws: StateError.self) { try follow(definition, phase: "nonsense", from: .absent) }
        #expect(throws: StateError.self) { try follow(definition, phase: "nonsense", from: .unknown) }
    }

    @Test func theFirstPhaseIsTheDefinitions() throws {
        for policy in ["off", "warn", "enforce"] {
            let definition = try definition(Self.phases + #", "on_save": "\#(policy)""#)
            #expect(try follow(definition, from: .absent).phase == "cart")
            #expect(try follow(definition, from: .at(phase: "paid", status: "")).phase == nil)
            #expect(try follow(definition, from: .unknown).phase == nil)
        }
        #expect(try follow(try definition(#""phases": []"#), from: .absent).phase == nil)
        let lifting = try definition(#""paths": {"phase": "/p"}, "phases": [{"name": "a"}, {"name": "b"}]"#)
        #expect(try follow(lifting, #"{"p": "b"}"#, from: .absent).phase == "b")
        #expect(try follow(lifting, #"{"p": 1}"#, from: .absent).phase == "a")
    }

    @Test func whoMustKnowWhereAFlowIs() throws {
        let key = try FlowKey(tenant: "t", flowID: "f", limits: .defaults)
        let (enforced, none) = (try definition(Self.phases), try definition(#""phases": []"#))
        let warned = try definition(Self.phases + #", "on_save": "warn""#)
        var command = SaveCommand(key: key, actor: "a", state: [])
        #expect(command.needsCurrentPhase(enforced) && command.needsCurrentPhase(warned) && !command.needsCurrentPhase(none))
        command.precondition = .expected(3)
        #expect(!command.needsCurrentPhase(enforced))
        command.phase = "paid"
        #expect(command.needsCurrentPhase(enforced) && !command.needsCurrentPhase(warned))
        command.kind = .transitioned
        #expect(!command.needsCurrentPhase(enforced))
    }

    // MARK: Labels

    private func labels(_ count: Int, _ name: String) -> Labels {
        Labels((0..<count).map { Labels.Entry(name: "\(name)\($0)", value: "v") })
    }

    /// At, below and above the limit: the client's and the state's are one flow's.
    @Test(arguments: [(60, false), (61, false), (62, true)]) func labelsAreBoundedTogether(given: Int, isRefused: Bool) throws {
        let definition = try definition(#""labels": {"x": "/x", "y": "/y", "z": "/z"}"#)
        let state = #"{"x": 1, "y": 2, "z": 3}"#
        let save = { try follow(definition, state, from: .absent) { $0.labels = labels(given, "l") } }
        if isRefused {
            let error = #expect(throws: StateError.self) { try save() }
            #expect(error?.message.contains("65") == true && error?.message.contains("64") == true)
        } else {
            #expect(try save().labels?.entries.count == given + 3)
        }
        // The same names, or nothing in the state, make no more of them.
        #expect(try follow(definition, "{}", from: .absent) { $0.labels = labels(64, "l") }.labels?.entries.count == 64)
    }

    private func setStatus(_ head: Labels, set: Labels = .none, remove: [String] = []) throws -> Labels {
        let time = Timestamp(microseconds: 0)
        let head = FlowHead(
            key: try FlowKey(tenant: "t", flowID: "f", limits: .defaults), flowType: "o", version: 3, phase: "", status: "", progress: nil,
            labels: head,
            createdAt: time, updatedAt: time, deletedAt: nil)
        let version = VersionRecord(
            version: 3, parentVersion: 2, kind: .saved, actor: "a", contentType: "application/json", size: 2, digest: [], phase: "",
            status: "", progress: nil, versionLabel: nil, metadata: [], createdAt: time, checkpoints: [])
        let command = SetStatusCommand(LifecycleRequest(key: head.key, actor: "a"), setLabels: set, removedLabels: remove)
        let save = try command.next(
            Snapshot(head: head, version: version, state: Array("{}".utf8)), nil, now: time, limits: Limits(), budget: .usual)
        try StateCheck(limits: Limits()).check(save)
        return head.labels.applying(save.labelChanges ?? .none)
    }

    /// A flow that has too many can lose some, and get none.
    @Test func labelsCanAlwaysBeRemoved() throws {
        #expect(try setStatus(labels(66, "l"), remove: ["l1", "there is none"]).entries.count == 65)
        #expect(try setStatus(labels(66, "l"), set: Labels(["n": "v"]), remove: ["l1", "l2"]).entries.count == 65)
        #expect(try setStatus(labels(66, "l"), set: Labels(["l7": "other"]))["l7"] == "other")
        #expect(throws: StateError.self) { try setStatus(labels(66, "l"), set: Labels(["n": "v"])) }
        #expect(throws: StateError.self) { try setStatus(labels(64, "l"), set: Labels(["n": "v"])) }
        #expect(try setStatus(labels(63, "l"), set: Labels(["n": "v"])).entries.count == 64)
    }

    @Test func oneSpellingOfALabelIsRemoved() throws {
        let both = Labels([.init(name: "\u{E9}", value: "1"), .init(name: "e\u{301}", value: "2")])
        #expect(try setStatus(both, remove: ["\u{E9}"]).entries == [.init(name: "e\u{301}", value: "2")])
    }
}

/// Definitions that are stored, by whatever limits.
@Suite struct StoredDefinitionTests {
    @Test func noLimitForAcceptingIsAppliedToThem() throws {
        let list = { (count: Int) in (0..<count).map { #"{"name": "n\#($0)"}"# }.joined(separator: ",") }
        let rules = (0..<9).map { #"{"rule": "pattern", "path": "/a", "pattern": "^a{\#($0)00}$"}"# }.joined(separator: ",")
        let document = Array(
            #"""
            {"flow_type": "t", "description": "long enough", "phases": [\#(list(9))], "statuses": [\#(list(9))], "rules": [\#(rules)],
             "labels": {"a": "/a", "b": "/b"}, "schema": {"items": {"not": {}}}, "initial_state": {"a": "in breach of the rules"}}
            """#.utf8)
        var limits = Limits()
        (limits.definitionBytes, limits.definitionDepth, limits.idBytes, limits.descriptionBytes) = (10, 2, 0, 1)
        (limits.definitionPhases, limits.definitionStatuses, limits.definitionRules, limits.definitionSchemas) = (1, 1, 1, 1)
        (limits.definitionPatterns, limits.patternBytes, limits.patternMemoryBytes, limits.labels, limits.labelBytes) = (
            1, 1, 4 << 10, 1, 0
        )
        #expect(throws: StateError.self) { try DefinitionReader.read(document, limits: limits, budget: .usual) }
        let definition = try DefinitionReader.read(stored: document, limits: limits, budget: .usual)
        #expect(definition.phases.count == 9 && definition.rules.count == 9 && definition.labels.count == 2)
        #expect(throws: StateError.workLimitExceeded(limit: 100)) {
            try DefinitionReader.read(stored: document, limits: limits, budget: WorkBudget(steps: 100))
        }
    }

    /// At and above each limit; what is too many is said at once, and nothing of it is read.
    @Test(arguments: ["phases", "statuses"]) func countsComeFirst(_ part: String) {
        var limits = Limits()
        (limits.definitionPhases, limits.definitionStatuses) = (3, 3)
        let document = { (count: Int) in #"{"flow_type": "t", "\#(part)": [\#((0..<count).map { _ in "{}" }.joined(separator: ","))]}"# }
        #expect(DefinitionReader.faults(document(3), limits: limits).contains { $0.path == "/\(part)/0/name" })
        #expect(
            DefinitionReader.faults(document(4), limits: limits) == [DocumentFault(path: "/\(part)", message: "are 4, the limit is 3")])
    }

    @Test func rulesWithinRulesAreCounted() {
        var limits = Limits()
        limits.definitionRules = 3
        let document = { (inner: Int) in
            let rules = (0..<inner).map { _ in #"{"rule": "required", "path": "/a"}"# }.joined(separator: ",")
            return #"{"flow_type": "t", "rules": [{"rule": "elements", "path": "/a", "rules": [\#(rules)]}]}"#
        }
        #expect(DefinitionReader.faults(document(2), limits: limits).isEmpty)
        #expect(DefinitionReader.faults(document(3), limits: limits).map(\.path) == ["/rules/0/rules"])
    }

    @Test func faultsAreCountedNotListed() {
        let members = (0..<500).map { "\"m\($0)\": 1" }.joined(separator: ",")
        let document = Array(#"{"flow_type": "t", \#(members)}"#.utf8)
        let budget = WorkBudget(steps: Limits().work)
        #expect {
            try DefinitionReader.read(document, limits: Limits(), budget: budget)
        } throws: { error in
            guard case StateError.definitionInvalid(let faults, let omitted) = error else { return false }
            return (faults.count, omitted) == (100, 400)
        }
    }

    /// Ninety that are each too large: none is compiled behind the limit, and the others are paid for.
    @Test func patternsThatFailCountToo() {
        let classes = String(repeating: "\\\\pL", count: 320)
        let members = (0..<90).map { "\"\(classes)\($0)\": {}" }.joined(separator: ",")
        let document = Array(#"{"flow_type": "t", "schema": {"patternProperties": {\#(members)}}}"#.utf8)
        let budget = WorkBudget(steps: 1_000_000)
        #expect(throws: StateError.workLimitExceeded(limit: 1_000_000)) {
            try DefinitionReader.read(document, limits: Limits(), budget: budget)
        }
        let many = (0..<90).map { "\"(\($0)\": {}" }.joined(separator: ",")
        let faults = DefinitionReader.faults(#"{"flow_type": "t", "schema": {"patternProperties": {\#(many)}}}"#)
        #expect(faults.count == 65, "\(faults.count)")
    }

    @Test func memoryIsAboutRight() throws {
        let numbers = (0..<20_000).map { _ in "1" }.joined(separator: ",")
        let definition = try DefinitionReader.read(
            Array(#"{"flow_type": "t", "initial_state": {"a": [\#(numbers)]}}"#.utf8), limits: Limits())
        // Twice its 40 KB, and 20,000 values of 16 bytes in the document and in the initial state.
        #expect((700_000..<900_000).contains(definition.memory), "\(definition.memory)")
    }
}

@Suite struct WireNumberTests {
    @Test func numbersAreBoundedWhereTheyComeIn() throws {
        let (check, key) = (StateCheck(limits: Limits()), try FlowKey(tenant: "t", flowID: "f", limits: .defaults))
        let save = { (version: Int64) throws in
            var command = SaveCommand(key: key, actor: "a", state: Array("1".utf8))
            command.precondition = .expected(version)
            try check.check(command)
        }
        let parent = { (version: Int64) throws in
            var command = SaveCommand(key: key, actor: "a", state: Array("1".utf8))
            command.parentVersion = version
            try check.check(command)
        }
        let calls: [(field: String, call: (Int64) throws -> Void)] = [
            ("expected_version", save), ("parent_version", parent),
            ("expected_version", { try check.check(DeleteFlowCommand(key: key, actor: "a", precondition: .expected($0))) }),
            ("version", { try check.check(LoadCommand(key: key, selector: .version($0))) }),
            ("if_version_not", { try check.check(LoadCommand(key: key, ifVersionNot: $0)) }),
            ("version", { try check.check(CreateCheckpointCommand(key: key, actor: "a", checkpoint: .init(id: "c"), version: $0)) }),
            ("revision", { try GetDefinitionCommand(tenant: "t", flowType: "t", revision: $0).check(limits: Limits()) }),
        ]
        for (field, call) in calls {
            for number in [1, WireNumber.maximum - 1, WireNumber.maximum] { try call(number) }
            for number in [-1, .min, WireNumber.maximum + 1, .max] {
                let error = #expect(throws: StateError.self, "\(field) \(number)") { try call(number) }
                guard case .invalidArgument(let named, let message) = error else { continue }
                #expect(named == field && message.contains("\(number)"))
                if number > 0 { #expect(message.contains("4611686018427387904")) }
            }
        }
    }
}
