extension SchemaCheck {
    mutating func follows(_ object: JSONValue, _ schema: ObjectSchema) throws(WorkStopped) -> Bool {
        let members = try object.lastMembers(budget)
        var fits = true
        if let maximum = schema.maximum, members.count > maximum {
            fits = add("has \(members.count) members, more than \(maximum)")
        }
        if let minimum = schema.minimum, members.count < minimum {
            fits = add("has \(members.count) members, fewer than \(minimum)")
        }
        // The smallest object can lack very many.
        try budget.spend(bytes: schema.required.count)
        var found = [Bool](repeating: false, count: schema.required.count)
        for member in members where !isOver(fits) {
            let name = JSONName(spelled: member.key.text)
            let property = schema.properties[name]
            if let place = property?.required { found[place] = true }
            path.append(.member(member.key))
            if try !followsMember(member, property?.schema, schema) { fits = false }
            path.removeLast()
        }
        for (place, isFound) in found.enumerated() where !isFound && !isOver(fits) {
            let name = schema.required[place]
            try budget.spend(1)
            try budget.spend(bytes: name.bytes.count)
            fits = add("is missing", at: name.characters)
        }
        guard !schema.dependencies.isEmpty, !isOver(fits) else { return fits }
        return try follows(object, Set(members.map { JSONName(spelled: $0.key.text) }), schema.dependencies) ? fits : false
    }

    private mutating func followsMember(_ member: JSONValue.Member, _ number: Int?, _ schema: ObjectSchema) throws(WorkStopped) -> Bool {
        var (fits, isKnown) = (true, number != nil)
        if let number { fits = try self.fits(member.value, number) }
        for (pattern, number) in schema.patterns {
            try budget.spend(1)
            guard try isFound(pattern, in: member.name) else { continue }
            isKnown = true
            if try !self.fits(member.value, number) { fits = false }
        }
        if !isKnown, let rest = schema.rest {
            let isNever = self.schema.subschemas[self.schema.subschemas[rest].target ?? rest].isNever
            if isNever { fits = add("is no member that the schema knows") } else if try !self.fits(member.value, rest) { fits = false }
        }
        if let names = schema.names, let reason = try reason(member.key, names) { fits = add("has a name that is not allowed: it \(reason)") }
        return fits
    }

    private mutating func follows(
        _ object: JSONValue, _ names: Set<JSONName>, _ dependencies: [ObjectSchema.Dependency]
    ) throws(WorkStopped) -> Bool {
        var fits = true
        for dependency in dependencies where try has(dependency.name, names) {
            for name in dependency.names where try !has(name, names) {
                fits = add("is missing, and must be there beside \"\(dependency.name.characters)\"", at: name.characters)
            }
            if let number = dependency.schema, try !self.fits(object, number) { fits = false }
            if isOver(fits) { break }
        }
        return fits
    }

    /// Whether a name that the schema asks for is among those of an object.
    private mutating func has(_ name: JSONName, _ names: Set<JSONName>) throws(WorkStopped) -> Bool {
        try budget.spend(1)
        try budget.spend(bytes: name.bytes.count)
        return names.contains(name)
    }
}
