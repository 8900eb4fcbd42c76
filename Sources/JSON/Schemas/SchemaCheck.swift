/// Checks one state against a schema. Recurses through `fits`, no deeper than `JSONSchema.maximumNesting`.
struct SchemaCheck {
    let schema: JSONSchema
    private(set) var report: RuleReport
    let budget: WorkBudget
    private var nesting = 0
    /// From the state to the value that is checked: members by their names, elements by their indexes.
    var path: [Step] = []
    /// Set while a value is only tried: whether it fits is asked, and nothing reported.
    private var trial: Trial?
    /// Why the check was given up.
    private(set) var stop: String?
    /// The hashes of the state's values, once they were needed.
    var hashes: JSONHashes?

    /// Whether to stop: a value does not fit, and its other violations are not asked for (`trial`).
    func isOver(_ fits: Bool) -> Bool { stop != nil || !fits && trial != nil }

    enum Step {
        case member(JSONValue)
        case element(Int)
    }

    private struct Trial {
        /// The length of the path to the value.
        let start: Int
        var reason: String?
    }

    init(_ schema: JSONSchema, _ budget: WorkBudget, report: RuleReport) {
        self.schema = schema
        self.report = report
        self.budget = budget
    }

    mutating func run(_ state: JSONValue) throws(WorkStopped) {
        _ = try fits(state, 0)
        if let stop { giveUp(stop) }
    }

    /// Reports why the check was given up; not within a trial.
    mutating func giveUp(_ reason: String) { report.add(.root, "cannot be checked against the schema: \(reason)") }

    /// Whether a value fits; adds its violations.
    mutating func fits(_ value: JSONValue, _ number: Int) throws(WorkStopped) -> Bool {
        try budget.spend(1)
        guard enters() else { return false }
        let subschema = schema.subschemas[number].target ?? number
        var fits = allows(subschema)
        for place in schema.subschemas[subschema].keywords.indices {
            if try !follows(value, schema.subschemas[subschema].keywords[place]) { fits = false }
            if isOver(fits) { break }
        }
        // Not restored after an error, which ends the whole check.
        nesting -= 1
        return fits
    }

    // Functions of their own, so that their messages take no stack while the value's contents are checked.

    private mutating func enters() -> Bool {
        if stop != nil { return false }
        if nesting == JSONSchema.maximumNesting {
            stop = "more than \(JSONSchema.maximumNesting) schemas are nested at \(Self.pointer(path).description.prefix(100))"
            return false
        }
        nesting += 1
        return true
    }

    private mutating func allows(_ number: Int) -> Bool {
        schema.subschemas[number].isNever ? add("must not be there: the schema allows nothing here") : true
    }

    private mutating func follows(_ value: JSONValue, _ keyword: SchemaKeyword) throws(WorkStopped) -> Bool {
        switch keyword {
        case .array(let array): value.kind == .array ? try follows(value, array) : true
        case .object(let object): value.kind == .object ? try follows(value, object) : true
        case .allOf(let all): try fitsAll(value, all)
        case .anyOf(let any): try fitsAny(value, any)
        case .oneOf(let one): try fitsOne(value, one)
        case .not(let not): try fitsNot(value, not)
        case .condition(let condition): try follows(value, condition)
        default: try followsByItself(value, keyword)
        }
    }

    /// The keywords that do not look into the value.
    private mutating func followsByItself(_ value: JSONValue, _ keyword: SchemaKeyword) throws(WorkStopped) -> Bool {
        switch keyword {
        case .types(let types): try hasType(value, types)
        case .values(let values): try isListed(value, values)
        case .constant(let constant): try isConstant(value, constant)
        case .number(let number): value.kind == .number ? try follows(value, number) : true
        case .string(let string): value.kind == .string ? try follows(value, string) : true
        default: true
        }
    }

    // MARK: Reporting

    /// Whether a pattern matches somewhere in a text.
    mutating func isFound(_ pattern: SchemaPattern, in text: String) throws(WorkStopped) -> Bool {
        if stop != nil { return false }
        try report.budget.spend(pattern.steps(text.utf8.count))
        if let isFound = pattern.isFound(in: text) { return isFound }
        stop = "there is no memory for its patterns"
        return false
    }

    func areEqual(_ one: JSONValue, _ other: JSONValue) throws(WorkStopped) -> Bool {
        try JSONComparison(budget).areEqual(one, other)
    }

    /// Adds a violation, and returns false.
    ///
    /// - Parameter member: the member of the value that breaks the schema.
    @discardableResult
    mutating func add(_ message: @autoclosure () -> String, at member: String? = nil) -> Bool {
        guard stop == nil else { return false }
        guard let trial else {
            let path = path
            report.add(Self.pointer(path, member), message())
            return false
        }
        if trial.reason == nil {
            let tokens = Self.pointer(path[trial.start...], member).tokens
            let place = JSONPointer(tokens.map { String($0.prefix(100)) })
            let text = tokens.isEmpty ? message() : "\(place) \(message())"
            self.trial?.reason = text.utf8.count > 200 ? String(text.prefix(200)) + "…" : text
        }
        return false
    }

    private static func pointer(_ steps: some Sequence<Step>, _ member: String? = nil) -> JSONPointer {
        var tokens = steps.map { step in
            switch step {
            case .member(let name): name.string ?? ""
            case .element(let place): "\(place)"
            }
        }
        if let member { tokens.append(member) }
        return JSONPointer(tokens)
    }

    /// nil when a value fits, else its first violation. Not nil either when the check was given up.
    mutating func reason(_ value: JSONValue, _ number: Int) throws(WorkStopped) -> String? {
        let outer = trial
        trial = Trial(start: path.count)
        defer { trial = outer }
        return try fits(value, number) ? nil : trial?.reason ?? "cannot be judged"
    }

    // MARK: Several schemas

    mutating func fitsAll(_ value: JSONValue, _ numbers: [Int]) throws(WorkStopped) -> Bool {
        var fits = true
        for number in numbers where try !self.fits(value, number) {
            fits = false
            if isOver(fits) { break }
        }
        return fits
    }

    private mutating func fitsAny(_ value: JSONValue, _ numbers: [Int]) throws(WorkStopped) -> Bool {
        var reasons: [String] = []
        for number in numbers {
            guard let reason = try reason(value, number) else { return true }
            reasons.append(reason)
        }
        return addNone(reasons, of: "anyOf")
    }

    private mutating func fitsOne(_ value: JSONValue, _ numbers: [Int]) throws(WorkStopped) -> Bool {
        var reasons: [String] = []
        var fitting: [Int] = []
        for (place, number) in numbers.enumerated() {
            if let reason = try reason(value, number) { reasons.append(reason) } else { fitting.append(place) }
            if fitting.count == 2 { return add("fits schemas \(fitting[0]) and \(fitting[1]) of oneOf, must fit exactly one") }
        }
        return fitting.count == 1 || addNone(reasons, of: "oneOf")
    }

    private mutating func addNone(_ reasons: [String], of keyword: String) -> Bool {
        let more = reasons.count > 3 ? "; …" : ""
        return add("fits no schema of \(keyword): " + reasons.prefix(3).joined(separator: "; ") + more)
    }

    private mutating func fitsNot(_ value: JSONValue, _ number: Int) throws(WorkStopped) -> Bool {
        try reason(value, number) == nil ? add("is what the schema excludes with not") : true
    }

    private mutating func follows(_ value: JSONValue, _ condition: ConditionSchema) throws(WorkStopped) -> Bool {
        let next = try reason(value, condition.test) == nil ? condition.positive : condition.negative
        guard let next else { return true }
        return try fits(value, next)
    }
}
