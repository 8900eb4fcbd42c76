extension SchemaCheck {
    mutating func hasType(_ value: JSONValue, _ types: SchemaTypes) throws(WorkStopped) -> Bool {
        // Only all of its digits tell whether a number is an integer.
        if value.kind == .number { try budget.spend(bytes: value.size) }
        if stop != nil { return false }
        if types.contain(value) { return true }
        let list = types.names.map { $0 == "integer" || $0 == "array" || $0 == "object" ? "an \($0)" : "a \($0)" }
        let own = value.kind == .number ? value.shown : "\(value.kind.article) \(value.kind.name)"
        return add("is \(own), not \(list.joined(separator: " or "))")
    }

    mutating func isListed(_ value: JSONValue, _ values: SchemaValues) throws(WorkStopped) -> Bool {
        try budget.spend(bytes: value.size)
        if value.kind == .string, values.strings.contains(JSONName(spelled: value.text)) { return true }
        for other in values.others where try areEqual(value, other) { return true }
        let more = values.all.count > 8 ? ", …" : ""
        return add("is \(value.shown), not one of " + values.all.prefix(8).map(\.shown).joined(separator: ", ") + more)
    }

    mutating func isConstant(_ value: JSONValue, _ constant: JSONValue) throws(WorkStopped) -> Bool {
        try areEqual(value, constant)
            ? true : add(constant.height > 0 ? "is not what const says" : "is \(value.shown), not \(constant.shown)")
    }

    mutating func follows(_ number: JSONValue, _ schema: NumberSchema) throws(WorkStopped) -> Bool {
        try budget.spend(bytes: number.size + schema.size)
        var fits = true
        if let bound = schema.maximum, JSONNumber.isLess(bound.text, number.text) {
            fits = add("is \(number.shown), more than \(bound.shown)")
        }
        if let bound = schema.exclusiveMaximum, !JSONNumber.isLess(number.text, bound.text) {
            fits = add("is \(number.shown), not less than \(bound.shown)")
        }
        if let bound = schema.minimum, JSONNumber.isLess(number.text, bound.text) {
            fits = add("is \(number.shown), less than \(bound.shown)")
        }
        if let bound = schema.exclusiveMinimum, !JSONNumber.isLess(bound.text, number.text) {
            fits = add("is \(number.shown), not more than \(bound.shown)")
        }
        if let divisor = schema.multipleOf, !JSONNumber.isMultiple(number.text, of: divisor.text) {
            fits = add("is \(number.shown), not a multiple of \(divisor.shown)")
        }
        return fits
    }

    mutating func follows(_ string: JSONValue, _ schema: StringSchema) throws(WorkStopped) -> Bool {
        try budget.spend(bytes: string.size)
        var fits = true
        if schema.maximum != nil || schema.minimum != nil {
            let count = JSONString.count(string.text)
            if let maximum = schema.maximum, count > maximum { fits = add("has \(count) characters, more than \(maximum)") }
            if let minimum = schema.minimum, count < minimum { fits = add("has \(count) characters, fewer than \(minimum)") }
        }
        let text = schema.pattern != nil || schema.format != nil ? string.string ?? "" : ""
        if let pattern = schema.pattern, try !isFound(pattern, in: text) {
            fits = add("does not match the pattern \(pattern.source.prefix(100))")
        }
        if let format = schema.format, try !follows(text, format) { fits = false }
        return fits
    }

    private mutating func follows(_ text: String, _ format: SchemaFormat) throws(WorkStopped) -> Bool {
        if format == .regex {
            // The only format that compiles the text.
            let (count, limit) = (text.utf8.count, schema.limits.patternBytes)
            if count > limit { return add("is too long to be checked as \(format.rawValue): it has \(count) bytes, the limit is \(limit)") }
            try budget.spend(TextPattern.compilingSteps(text, memory: schema.limits.patternMemoryBytes))
        }
        if stop != nil { return false }
        return format.fits(text, schema.limits) || add("does not have the format \(format.rawValue)")
    }
}
