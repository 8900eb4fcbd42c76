import JSON

/// Reads a definition from its document, or reports every fault in it.
package enum DefinitionReader {
    /// Reads a new document: applies the limits, and checks that the states it makes satisfy its own rules.
    ///
    /// - Throws: `definitionInvalid`, or why the reading was stopped.
    package static func read(_ document: [UInt8], limits: Limits, budget: WorkBudget) throws(StateError) -> FlowDefinition {
        try read(document, DefinitionScope(limits, isStored: false, budget))
    }

    /// Reads a document that was accepted before: only the budget bounds it, not the limits for new documents.
    package static func read(stored document: [UInt8], limits: Limits, budget: WorkBudget) throws(StateError) -> FlowDefinition {
        try read(document, DefinitionScope(limits, isStored: true, budget))
    }

    /// Each value is read once or a few times.
    private static let stepsPerValue = 8
    /// Beside the value's node: in lists, names and sets.
    private static let bytesPerValue = 48

    private static func read(_ document: [UInt8], _ scope: DefinitionScope) throws(StateError) -> FlowDefinition {
        if document.count > scope.limits.definitionBytes {
            throw refusal("is \(document.count) bytes, the limit is \(scope.limits.definitionBytes)")
        }
        let parsed = try StateError.counting { () throws(WorkStopped) in
            let parsed = try JSONDocument.parse(document, maximumDepth: scope.limits.definitionDepth, scope.budget)
            let values = parsed.value?.size ?? 0
            try scope.budget.spend(stepsPerValue * values)
            try scope.budget.take(bytes: bytesPerValue * values)
            return parsed
        }
        switch parsed {
        case .failure(let fault): throw refusal("is not JSON: \(fault)")
        case .success(let parsed):
            var reader = ObjectReader(parsed.root, at: .root)
            var definition = definition(&reader, scope)
            try StateError.counting { () throws(WorkStopped) in
                if let stopped = scope.patterns.stopped { throw stopped }
            }
            if !scope.isStored, reader.faults.isEmpty { try check(definition, &reader, scope) }
            reader.finish()
            if !reader.faults.isEmpty { throw .definitionInvalid(reader.faults.first, omitted: reader.faults.left) }
            definition.memory += parsed.memory
            return definition
        }
    }

    private static func refusal(_ message: String) -> StateError { .definitionInvalid([DocumentFault(path: "", message: message)]) }

    private static func definition(_ reader: inout ObjectReader, _ scope: DefinitionScope) -> FlowDefinition {
        let limits = scope.limits
        let flowType = name("flow_type", &reader, limits)
        let description = reader.string("description", isRequired: false) ?? ""
        if description.utf8.count > limits.descriptionBytes {
            reader.fault("description", "is \(description.utf8.count) bytes, the limit is \(limits.descriptionBytes)")
        }
        let phases = PhaseReader.phases(&reader, limits)
        let statuses = PhaseReader.statuses(&reader, limits)
        let paths = paths(&reader)
        scope.phases = scope.names(phases.map(\.name))
        scope.statuses = scope.names(statuses.map(\.name))
        let (rules, faults) = RuleReader.read(reader.array("rules") ?? [], at: JSONPointer(["rules"]), scope)
        reader.take(faults)
        let schema = schema(&reader, scope)
        let initial = reader.object("initial_state")
        var definition = FlowDefinition(
            flowType: flowType, description: description, paths: paths, phases: phases, statuses: statuses, rules: rules,
            schema: schema, onSave: onSave(&reader))
        definition.patternInstructions = scope.patterns.instructions
        if let initial { take(initial, into: &definition, &reader, limits) }
        readRepairs(into: &definition, &reader)
        readRecovery(into: &definition, &reader)
        readRetention(into: &definition, &reader)
        definition.labels = labels(&reader, limits)
        definition.memory = scope.patterns.memory + scope.namesMemory + (schema?.memory ?? 0) + (definition.initialState.map(\.memory) ?? 0)
        // A phase, status or rule as a value, with its names and set entries.
        definition.memory += 512 * (phases.count + statuses.count + rules.count) + 4_096
        return definition
    }

    /// Tries the definition: its initial state must satisfy the rules, and so must an empty state after the repairs.
    private static func check(_ definition: FlowDefinition, _ reader: inout ObjectReader, _ scope: DefinitionScope) throws(StateError) {
        let (limits, time) = (scope.limits, Timestamp(microseconds: 0))
        do throws(StateError) {
            if let state = try definition.initialState(of: "a flow", at: time, limits: limits, budget: scope.budget) {
                for violation in try StateValidator(definition, limits: limits).validate(state, budget: scope.budget).violations {
                    reader.fault("initial_state", "breaks rule \(violation.rule): \(violation.path) \(violation.message)")
                }
            }
        } catch {
            switch error {
            case .stateInvalid, .tooLarge: reader.fault("initial_state", error.message)
            default: throw error
            }
        }
        if !definition.repairs.isEmpty,
            try definition.repaired(Array("{}".utf8), flowID: "a flow", at: time, limits: limits, budget: scope.budget) == nil
        {
            reader.fault("repairs", "leave an empty state in breach of the rules: something required is not repaired, or wrongly")
        }
    }

    static func name(_ member: String, _ reader: inout ObjectReader, _ limits: Limits) -> String {
        guard let name = reader.string(member) else { return "" }
        do throws(StateError) {
            try NameRule.check(name, field: member, maximumBytes: limits.idBytes)
        } catch {
            if case .invalidArgument(_, let message) = error { reader.fault(member, message) }
        }
        return name
    }

    private static func schema(_ reader: inout ObjectReader, _ scope: DefinitionScope) -> JSONSchema? {
        guard let value = reader.value("schema") else { return nil }
        let (schema, faults) = SchemaReader.read(
            value, at: reader.place.appending("schema"), SchemaLimits(scope.limits), scope.patterns)
        reader.take(faults)
        return schema
    }

    private static func readRepairs(into definition: inout FlowDefinition, _ reader: inout ObjectReader) {
        for (number, object) in (reader.array("repairs") ?? []).enumerated() {
            let (repair, faults) = Repair.read(object, at: JSONPointer(["repairs", "\(number)"]))
            if let repair { definition.repairs.append(repair) }
            reader.take(faults)
        }
    }

    private static func readRecovery(into definition: inout FlowDefinition, _ reader: inout ObjectReader) {
        guard let object = reader.object("recovery") else { return }
        var inner = ObjectReader(object, at: JSONPointer(["recovery"]))
        if let names = inner.strings("strategies") {
            definition.recovery.strategies = names.compactMap { name in
                if let strategy = RecoveryStrategy(rawValue: name) { return strategy }
                let known = RecoveryStrategy.allCases.map(\.rawValue).joined(separator: ", ")
                inner.fault("strategies", "\"\(name)\" is not a strategy; use \(known)")
                return nil
            }
        }
        definition.recovery.triggers = (inner.strings("automatic") ?? []).compactMap { name in
            if let trigger = RecoveryTrigger(rawValue: name) { return trigger }
            let known = RecoveryTrigger.allCases.map(\.rawValue).joined(separator: ", ")
            inner.fault("automatic", "\"\(name)\" starts no recovery; use \(known)")
            return nil
        }
        if let name = inner.string("automatic_depth", isRequired: false) {
            if let depth = ValidationDepth(rawValue: name) {
                definition.recovery.automaticDepth = depth
            } else {
                let known = ValidationDepth.allCases.map(\.rawValue).joined(separator: ", ")
                inner.fault("automatic_depth", "is \"\(name)\"; use \(known)")
            }
        }
        definition.recovery.status = inner.string("status", isRequired: false)
        if let status = definition.recovery.status, definition.status(status) == nil {
            inner.fault("status", "\"\(status)\" is not a status of this definition")
        }
        for (number, text) in (inner.strings("keep") ?? []).enumerated() {
            if let pointer = JSONPointer(text) {
                definition.recovery.kept.append(pointer)
            } else {
                inner.fault("keep", "element \(number + 1) is not a JSON Pointer")
            }
        }
        inner.finish()
        reader.take(inner.faults)
    }

    private static func labels(_ reader: inout ObjectReader, _ limits: Limits) -> [(name: String, path: JSONPointer)] {
        guard let object = reader.object("labels") else { return [] }
        var inner = ObjectReader(object, at: JSONPointer(["labels"]))
        let names = object.members.map(\.name)
        // Counted before their contents are read: only the document's size bounds their number.
        guard names.count <= limits.labels else {
            reader.fault("labels", "are \(names.count), the limit is \(limits.labels)")
            return []
        }
        var (labels, known): ([(name: String, path: JSONPointer)], Set<Name>) = ([], [])
        for name in names {
            do throws(StateError) {
                try NameRule.check(name, field: name, maximumBytes: limits.labelBytes)
            } catch {
                if case .invalidArgument(_, let message) = error { inner.fault(name, "as the name of a label \(message)") }
            }
            if !known.insert(Name(name)).inserted { inner.fault(name, "is given twice") }
            if let path = inner.place(name, isRequired: true) { labels.append((name, path)) }
        }
        inner.finish()
        reader.take(inner.faults)
        return labels
    }

    private static func readRetention(into definition: inout FlowDefinition, _ reader: inout ObjectReader) {
        guard let object = reader.object("retention") else { return }
        let place = JSONPointer(["retention"])
        let (policy, faults) = RetentionPolicy.read(object, at: place)
        definition.retention = policy
        reader.take(faults)
        if policy.endedHours != nil, !definition.hasEnd {
            let message = "no flow of this type ever ends: no phase is \"terminal\", and every status has one that may follow"
            reader.faultAt(place.appending("ended_hours"), message)
        }
    }

    private static func take(
        _ initial: JSONValue, into definition: inout FlowDefinition, _ reader: inout ObjectReader, _ limits: Limits
    ) {
        do throws(JSONText.Fault) {
            definition.initialState = try JSONDocument(Array(initial.text), maximumDepth: limits.definitionDepth)
        } catch {
            reader.fault("initial_state", "\(error)")
        }
    }

    /// Rules are enforced unless the document says otherwise.
    private static func onSave(_ reader: inout ObjectReader) -> FlowDefinition.OnSave {
        guard let name = reader.string("on_save", isRequired: false) else { return .enforce }
        if let policy = FlowDefinition.OnSave(rawValue: name) { return policy }
        reader.fault("on_save", "is \"\(name)\"; use \(FlowDefinition.OnSave.allCases.map(\.rawValue).joined(separator: ", "))")
        return .enforce
    }

    // MARK: Paths

    private static func paths(_ reader: inout ObjectReader) -> FlowDefinition.Paths {
        var paths = FlowDefinition.Paths()
        guard let object = reader.object("paths") else { return paths }
        var inner = ObjectReader(object, at: JSONPointer(["paths"]))
        paths.phase = inner.place("phase")
        paths.status = inner.place("status")
        paths.progress = inner.place("progress")
        paths.completion = inner.place("completion")
        paths.data = inner.place("data").map { FlowDefinition.PhasePointer(pattern: $0) }
        paths.results = inner.place("results").map { FlowDefinition.PhasePointer(pattern: $0) }
        paths.log = inner.place("log")
        paths.errors = inner.place("errors")
        paths.updated = inner.place("updated")
        paths.created = inner.place("created")
        paths.id = inner.place("id")
        inner.finish()
        reader.take(inner.faults)
        return paths
    }
}
