extension SchemaCheck {
    mutating func follows(_ object: JSONValue, _ schema: ObjectSchema) -> Bool {
        let members = object.lastMembers
        spend(members.count)
        var fits = true
        if let maximum = schema.maximum, members.count > maximum {
            fits = add("has \(members.count) members, more than \(maximum)")
        }
        if let minimum = schema.minimum, members.count < minimum {
            fits = add("has \(members.count) members, fewer than \(minimum)")
        }
        var found = [Bool](repeating: false, count: schema.required.count)
        for member in members where !isOver(fits) {
            spend(bytes: member.key.size)
            let name = JSONName(spelled: member.key.text)
            let property = schema.properties[name]
            if let place = property?.required { found[place] = true }
            path.append(.member(member.key))
            if !followsMember(member, property?.schema, schema) { fits = false }
            path.removeLast()
        }
        for (place, isFound) in found.enumerated() where !isFound && !isOver(fits) {
            fits = add("is missing", at: schema.required[place].characters)
        }
        guard !schema.dependencies.isEmpty, !isOver(fits) else { return fits }
        return follows(object, Set(members.map { JSONName(spelled: $0.key.text) }), schema.dependencies) && fits
    }

    private mutating func followsMember(_ member: JSONValue.Member, _ number: Int?, _ schema: ObjectSchema) -> Bool {
        var (fits, isKnown) = (true, number != nil)
        if let number { fits = self.fits(member.value, number) }
        for (pattern, number) in schema.patterns {
            spend(1)
            guard isFound(pattern, in: member.name) else { continue }
            isKnown = true
            if !self.fits(member.value, number) { fits = false }
        }
        if !isKnown, let rest = schema.rest {
            let isNever = self.schema.subschemas[self.schema.subschemas[rest].target ?? rest].isNever
            if isNever { fits = add("is no member that the schema knows") } else if !self.fits(member.value, rest) { fits = false }
        }
        if let names = schema.names, let reason = reason(member.key, names) { fits = add("has a name that is not allowed: it \(reason)") }
        return fits
    }

    private mutating func follows(
        _ object: JSONValue, _ names: Set<JSONName>, _ dependencies: [ObjectSchema.Dependency]
    ) -> Bool {
        var fits = true
        for dependency in dependencies where names.contains(dependency.name) {
            for name in dependency.names where !names.contains(name) {
                fits = add("is missing, and must be there beside \"\(dependency.name.characters)\"", at: name.characters)
            }
            if let number = dependency.schema, !self.fits(object, number) { fits = false }
            if isOver(fits) { break }
        }
        return fits
    }
}
