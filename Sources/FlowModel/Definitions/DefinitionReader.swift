/// Makes a definition of its document, or says everything that is wrong with it.
public enum DefinitionReader {
    public static func read(_ document: [UInt8], limits: Limits) throws(DefinitionFaults) -> FlowDefinition {
        if document.count > limits.definitionBytes {
            throw DefinitionFaults("is \(document.count) bytes, the limit is \(limits.definitionBytes)")
        }
        let parsed: JSONDocument
        do {
            parsed = try JSONDocument(document, maximumDepth: limits.definitionDepth)
        } catch {
            throw DefinitionFaults("is not JSON: \(error)")
        }
        var reader = ObjectReader(parsed.root, at: .root)
        let definition = definition(&reader, limits)
        reader.finish()
        if !reader.faults.isEmpty { throw DefinitionFaults(faults: reader.faults) }
        return definition
    }

    private static func definition(_ reader: inout ObjectReader, _ limits: Limits) -> FlowDefinition {
        let flowType = name("flow_type", &reader, limits)
        let description = reader.string("description", isRequired: false) ?? ""
        if description.utf8.count > limits.descriptionBytes {
            reader.fault("description", "is \(description.utf8.count) bytes, the limit is \(limits.descriptionBytes)")
        }
        let phases = phases(&reader, limits)
        let statuses = statuses(&reader, limits)
        let paths = paths(&reader)
        let scope = RuleScope(phases: phases.map(\.name), statuses: statuses.map(\.name), limits: limits)
        let (rules, faults) = RuleReader.read(reader.array("rules") ?? [], at: JSONPointer(["rules"]), scope)
        reader.take(faults)
        let schema = schema(&reader, limits)
        let initial = reader.object("initial_state")
        var definition = FlowDefinition(
            flowType: flowType, description: description, paths: paths, phases: phases, statuses: statuses, rules: rules,
            schema: schema, onSave: onSave(&reader))
        definition.patternInstructions = scope.patternInstructions
        if let initial { take(initial, into: &definition, &reader, limits) }
        readRecovery(into: &definition, &reader, limits)
        readRetention(into: &definition, &reader)
        definition.labels = labels(&reader, limits)
        return definition
    }

    private static func name(_ member: String, _ reader: inout ObjectReader, _ limits: Limits) -> String {
        guard let name = reader.string(member) else { return "" }
        do throws(StateError) {
            try NameRule.check(name, field: member, maximumBytes: limits.idBytes)
        } catch {
            if case .invalidArgument(_, let message) = error { reader.fault(member, message) }
        }
        return name
    }

    private static func schema(_ reader: inout ObjectReader, _ limits: Limits) -> JSONSchema? {
        guard let value = reader.value("schema") else { return nil }
        let (schema, faults) = SchemaReader.read(value, at: reader.place.appending("schema"), limits)
        reader.take(faults)
        return schema
    }

    private static func readRecovery(into definition: inout FlowDefinition, _ reader: inout ObjectReader, _ limits: Limits) {
        for (number, object) in (reader.array("repairs") ?? []).enumerated() {
            let (repair, faults) = Repair.read(object, at: JSONPointer(["repairs", "\(number)"]))
            if let repair { definition.repairs.append(repair) }
            reader.take(faults)
        }
        // A state of which nothing is left must come out right, or a repair can never help.
        if !definition.repairs.isEmpty, reader.faults.isEmpty,
            definition.repaired(Array("{}".utf8), flowID: "a flow", at: Timestamp(microseconds: 0), limits: limits) == nil
        {
            reader.fault("repairs", "leave an empty state in breach of the rules: something required is not repaired, or wrongly")
        }
        guard let object = reader.object("recovery") else { return }
        var inner = ObjectReader(object, at: JSONPointer(["recovery"]))
        if let names = inner.strings("strategies") {
            definition.recovery.strategies = names.compactMap { name in
                if let strategy = RecoveryStrategy(rawValue: name) { return strategy }
                let known = RecoveryStrategy.allCases.map(\.rawValue).joined(separator: ", ")
                inner.fault("strategies", "\"\(name)\" is none; use \(known)")
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
            inner.fault("status", "\"\(status)\" is no status of this definition")
        }
        for (number, text) in (inner.strings("keep") ?? []).enumerated() {
            if let pointer = JSONPointer(text) {
                definition.recovery.kept.append(pointer)
            } else {
                inner.fault("keep", "element \(number + 1) is no JSON Pointer")
            }
        }
        inner.finish()
        reader.take(inner.faults)
    }

    private static func labels(_ reader: inout ObjectReader, _ limits: Limits) -> [(name: String, path: JSONPointer)] {
        guard let object = reader.object("labels") else { return [] }
        var inner = ObjectReader(object, at: JSONPointer(["labels"]))
        let names = object.members.map(\.name)
        if names.count > limits.labels { inner.fault("", "are \(names.count), the limit is \(limits.labels)") }
        var labels: [(name: String, path: JSONPointer)] = []
        for name in names {
            do throws(StateError) {
                try NameRule.check(name, field: name, maximumBytes: limits.labelBytes)
            } catch {
                if case .invalidArgument(_, let message) = error { inner.fault(name, "as the name of a label \(message)") }
            }
            if labels.contains(where: { $0.name.utf8.elementsEqual(name.utf8) }) { inner.fault(name, "stands there twice") }
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
            reader.take([DefinitionFault(path: place.appending("ended_hours").description, message: message)])
        }
    }

    /// A flow that is created with it must be right from the start.
    private static func take(
        _ initial: JSONValue, into definition: inout FlowDefinition, _ reader: inout ObjectReader, _ limits: Limits
    ) {
        do {
            definition.initialState = try JSONDocument(Array(initial.text), maximumDepth: limits.definitionDepth)
            let state = try definition.initialState(of: "a flow", at: Timestamp(microseconds: 0), limits: limits) ?? []
            for violation in StateValidator(definition, limits: limits).validate(state).violations {
                reader.fault("initial_state", "breaks rule \(violation.rule): \(violation.path) \(violation.message)")
            }
        } catch {
            reader.fault("initial_state", "\(error)")
        }
    }

    /// Whoever writes rules means them, so they hold unless the document says otherwise.
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

    // MARK: Phases

    private static func phases(_ reader: inout ObjectReader, _ limits: Limits) -> [FlowDefinition.Phase] {
        let place = JSONPointer(["phases"])
        var phases: [FlowDefinition.Phase] = []
        var faults: [DefinitionFault] = []
        for (number, object) in (reader.array("phases") ?? []).enumerated() {
            var inner = ObjectReader(object, at: place.appending("\(number)"))
            let name = name("name", &inner, limits)
            if phases.contains(where: { $0.name == name }) { inner.fault("name", "\"\(name)\" is a phase already") }
            let progress = inner.number("progress")?.double
            if let progress, !(0...100).contains(progress) { inner.fault("progress", "must lie between 0 and 100") }
            phases.append(
                FlowDefinition.Phase(
                    name: name, requires: inner.strings("requires") ?? [], progress: progress,
                    isTerminal: inner.boolean("terminal") ?? false, completesOnLeave: inner.boolean("complete_on_leave") ?? false))
            inner.finish()
            faults += inner.faults
        }
        reader.take(faults + unknownPhases(phases, place) + cycles(phases, place))
        return phases
    }

    private static func unknownPhases(_ phases: [FlowDefinition.Phase], _ place: JSONPointer) -> [DefinitionFault] {
        let names = Set(phases.map(\.name))
        return phases.enumerated().flatMap { number, phase in
            phase.requires.enumerated().filter { !names.contains($0.element) }.map { index, name in
                let path = JSONPointer(place.tokens + ["\(number)", "requires", "\(index)"])
                return DefinitionFault(path: path.description, message: "\"\(name)\" is no phase of this definition")
            }
        }
    }

    /// A phase that requires itself, directly or through others, can never be entered.
    private static func cycles(_ phases: [FlowDefinition.Phase], _ place: JSONPointer) -> [DefinitionFault] {
        // Takes away what can be entered, until nothing more can.
        var left = phases
        let names = Set(phases.map(\.name))
        var possible: Set<String> = []
        while true {
            let enterable = left.filter { $0.requires.allSatisfy { possible.contains($0) || !names.contains($0) } }
            if enterable.isEmpty { break }
            possible.formUnion(enterable.map(\.name))
            left.removeAll { possible.contains($0.name) }
        }
        guard let first = left.first, let number = phases.firstIndex(of: first) else { return [] }
        let path = JSONPointer(place.tokens + ["\(number)", "requires"])
        let list = left.map(\.name).joined(separator: ", ")
        return [DefinitionFault(path: path.description, message: "these phases wait for each other and can never be entered: \(list)")]
    }

    // MARK: Statuses

    private static func statuses(_ reader: inout ObjectReader, _ limits: Limits) -> [FlowDefinition.Status] {
        let place = JSONPointer(["statuses"])
        var statuses: [FlowDefinition.Status] = []
        var faults: [DefinitionFault] = []
        for (number, object) in (reader.array("statuses") ?? []).enumerated() {
            var inner = ObjectReader(object, at: place.appending("\(number)"))
            let name = name("name", &inner, limits)
            if statuses.contains(where: { $0.name == name }) { inner.fault("name", "\"\(name)\" is a status already") }
            let isOfErrors = inner.boolean("error") ?? false
            if isOfErrors, statuses.contains(where: \.isOfErrors) { inner.fault("error", "another status is that of errors already") }
            statuses.append(FlowDefinition.Status(name: name, next: inner.strings("next"), isOfErrors: isOfErrors))
            inner.finish()
            faults += inner.faults
        }
        let names = Set(statuses.map(\.name))
        for (number, status) in statuses.enumerated() {
            for name in status.next ?? [] where !names.contains(name) {
                let path = JSONPointer(place.tokens + ["\(number)", "next"])
                faults.append(DefinitionFault(path: path.description, message: "\"\(name)\" is no status of this definition"))
            }
        }
        reader.take(faults)
        return statuses
    }
}

extension DefinitionFaults {
    fileprivate init(_ message: String) { self.init(faults: [DefinitionFault(path: "", message: message)]) }
}
