import JSON

/// Reads the phases and statuses of a definition, in time proportional to their length.
enum PhaseReader {
    static func phases(_ reader: inout ObjectReader, _ limits: Limits) -> [FlowDefinition.Phase] {
        let place = JSONPointer(["phases"])
        var (phases, numbers): ([FlowDefinition.Phase], [Name: Int]) = ([], [:])
        for (number, object) in reader.array("phases", most: limits.definitionPhases).enumerated() {
            var inner = ObjectReader(object, at: place.appending("\(number)"))
            let name = DefinitionReader.name("name", &inner, limits)
            if numbers.updateValue(number, forKey: Name(name)) != nil { inner.fault("name", "\"\(name)\" is a phase already") }
            let progress = inner.number("progress")?.double
            if let progress, !(0...100).contains(progress) { inner.fault("progress", "must lie between 0 and 100") }
            let isTerminal = inner.boolean("terminal") ?? false
            phases.append(
                FlowDefinition.Phase(
                    name: name, requires: inner.strings("requires") ?? [], progress: progress, isTerminal: isTerminal,
                    completesOnLeave: inner.boolean("complete_on_leave") ?? false,
                    limit: TimeLimit.read(&inner, ends: isTerminal ? "a flow ends in a terminal phase" : nil)))
            inner.finish()
            reader.take(inner.faults)
        }
        checkRequired(phases, numbers, place, &reader)
        return phases
    }

    /// Checks that every required phase exists, and that none requires itself, directly or through others: it could never be entered.
    private static func checkRequired(
        _ phases: [FlowDefinition.Phase], _ numbers: [Name: Int], _ place: JSONPointer, _ reader: inout ObjectReader
    ) {
        var followers = [[Int]](repeating: [], count: phases.count)
        var open = [Int](repeating: 0, count: phases.count)
        for (number, phase) in phases.enumerated() {
            for (index, name) in phase.requires.enumerated() {
                guard let required = numbers[Name(name)] else {
                    let path = JSONPointer(place.tokens + ["\(number)", "requires", "\(index)"])
                    reader.faultAt(path, "\"\(name)\" is not a phase of this definition")
                    continue
                }
                followers[required].append(number)
                open[number] += 1
            }
        }
        // Enters whatever can be entered, until nothing more can.
        var enterable = open.indices.filter { open[$0] == 0 }
        while let number = enterable.popLast() {
            for follower in followers[number] {
                open[follower] -= 1
                if open[follower] == 0 { enterable.append(follower) }
            }
        }
        let left = open.indices.filter { open[$0] > 0 }
        guard let first = left.first else { return }
        let list = left.prefix(20).map { phases[$0].name }.joined(separator: ", ") + (left.count > 20 ? ", …" : "")
        reader.faultAt(
            JSONPointer(place.tokens + ["\(first)", "requires"]), "these phases wait for each other and can never be entered: \(list)")
    }

    static func statuses(_ reader: inout ObjectReader, _ limits: Limits) -> [FlowDefinition.Status] {
        let place = JSONPointer(["statuses"])
        var (statuses, names, hasErrors): ([FlowDefinition.Status], Set<Name>, Bool) = ([], [], false)
        for (number, object) in reader.array("statuses", most: limits.definitionStatuses).enumerated() {
            var inner = ObjectReader(object, at: place.appending("\(number)"))
            let name = DefinitionReader.name("name", &inner, limits)
            if !names.insert(Name(name)).inserted { inner.fault("name", "\"\(name)\" is a status already") }
            let isOfErrors = inner.boolean("error") ?? false
            if isOfErrors, hasErrors { inner.fault("error", "another status has \"error\" already") }
            hasErrors = hasErrors || isOfErrors
            let next = inner.strings("next")
            let limit = TimeLimit.read(&inner, ends: next?.isEmpty == true ? "a flow ends with a status that none may follow" : nil)
            statuses.append(FlowDefinition.Status(name: name, next: next, isOfErrors: isOfErrors, limit: limit))
            inner.finish()
            reader.take(inner.faults)
        }
        for (number, status) in statuses.enumerated() {
            for name in status.next ?? [] where !names.contains(Name(name)) {
                reader.faultAt(JSONPointer(place.tokens + ["\(number)", "next"]), "\"\(name)\" is not a status of this definition")
            }
        }
        return statuses
    }
}
