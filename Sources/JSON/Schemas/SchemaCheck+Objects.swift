extension SchemaCheck {
    mutating func follows(_ object: JSONValue, _ schema: ObjectSchema) throws(WorkStopped) -> Bool {
        let names = try StringTable(object.members, budget)
        var fits = hasRightCount(names.count, schema)
        // Paid first, since the smallest object can lack very many names.
        try budget.spend(bytes: schema.required.count)
        var found = [Bool](repeating: false, count: schema.required.count)
        for member in object.members where !isOver(fits) && names.isLast(member.key) {
            try budget.spend(2)
            if try !follows(member, schema, &found) { fits = false }
        }
        if try !hasRequired(found, schema) { fits = false }
        if schema.dependencies.isEmpty || isOver(fits) { return fits }
        return try follows(object, names, schema.dependencies) ? fits : false
    }

    // Functions of their own, so that their messages take no stack while the object's values are checked.

    private mutating func hasRightCount(_ count: Int, _ schema: ObjectSchema) -> Bool {
        var fits = true
        if let maximum = schema.maximum, count > maximum { fits = add("has \(count) members, more than \(maximum)") }
        if let minimum = schema.minimum, count < minimum { fits = add("has \(count) members, fewer than \(minimum)") }
        return fits
    }

    private mutating func hasRequired(_ found: [Bool], _ schema: ObjectSchema) throws(WorkStopped) -> Bool {
        var fits = true
        for (place, isFound) in found.enumerated() where !isFound && !isOver(fits) {
            let name = schema.required[place]
            try budget.spend(1 + name.bytes.count / 16)
            fits = add("is missing", at: name.characters)
        }
        return fits
    }

    private mutating func follows(
        _ member: JSONValue.Member, _ schema: ObjectSchema, _ found: inout [Bool]
    ) throws(WorkStopped) -> Bool {
        let property = schema.properties[JSONName(spelled: member.key.text)]
        if let place = property?.required { found[place] = true }
        path.append(.member(member.key))
        // Most members have a schema of their own and nothing else.
        let fits: Bool
        if let number = property?.schema, schema.patterns.isEmpty, schema.names == nil {
            fits = try self.fits(member.value, number)
        } else {
            fits = try followsMember(member, property?.schema, schema)
        }
        path.removeLast()
        return fits
    }

    private mutating func followsMember(_ member: JSONValue.Member, _ number: Int?, _ schema: ObjectSchema) throws(WorkStopped) -> Bool {
        var numbers = number.map { [$0] } ?? []
        try numbers += patterns(of: member, schema)
        var fits = try fitsAll(member.value, numbers)
        if numbers.isEmpty, number == nil, let rest = schema.rest {
            fits = isNever(rest) ? add("is not a member that the schema knows") : try self.fits(member.value, rest)
        }
        if let names = schema.names, let reason = try reason(member.key, names) {
            fits = add("has a name that is not allowed: it \(reason)")
        }
        return fits
    }

    /// The schemas of the patterns that a name matches.
    private mutating func patterns(of member: JSONValue.Member, _ schema: ObjectSchema) throws(WorkStopped) -> [Int] {
        var numbers: [Int] = []
        for (pattern, number) in schema.patterns {
            try budget.spend(1)
            if try isFound(pattern, in: member.name) { numbers.append(number) }
        }
        return numbers
    }

    private func isNever(_ number: Int) -> Bool { schema.subschemas[schema.subschemas[number].target ?? number].isNever }

    private mutating func follows(
        _ object: JSONValue, _ names: StringTable, _ dependencies: [ObjectSchema.Dependency]
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

    /// Whether an object has a name that the schema asks for.
    private mutating func has(_ name: JSONName, _ names: StringTable) throws(WorkStopped) -> Bool {
        try budget.spend(1)
        try budget.spend(bytes: name.bytes.count)
        return names.contains(name)
    }
}
