/// Holds one state against a schema. Recursion goes through `fits`, no deeper than `JSONSchema.maximumNesting`.
struct SchemaCheck {
    let schema: JSONSchema
    private(set) var report: RuleReport
    private var work: PatchWork
    private var nesting = 0
    /// From the state to the value that is being looked at: members by their names, elements by their places.
    var path: [Step] = []
    /// What is wrong with a value on trial: whether it fits is asked, and nothing reported.
    private var trial: Trial?
    /// Why the check was given up.
    private(set) var stop: String?
    /// Of the state, once they were needed.
    var hashes: JSONHashes?

    /// Whether it is decided that a value does not fit, and nobody wants to know what else is wrong with it.
    func isOver(_ fits: Bool) -> Bool { stop != nil || !fits && trial != nil }

    enum Step {
        case member(JSONValue)
        case element(Int)
    }

    private struct Trial {
        /// Steps of the path to the value.
        let start: Int
        var reason: String?
    }

    init(_ schema: JSONSchema, steps: Int, report: RuleReport) {
        self.schema = schema
        self.report = report
        work = PatchWork(steps)
    }

    mutating func run(_ state: JSONValue) {
        _ = fits(state, 0)
        if let stop { report.add(.root, "cannot be held against the schema: \(stop)") }
    }

    /// Whether a value fits; notes in what it does not.
    mutating func fits(_ value: JSONValue, _ number: Int) -> Bool {
        spend(1)
        if stop != nil { return false }
        if nesting == JSONSchema.maximumNesting {
            stop = "more than \(JSONSchema.maximumNesting) schemas apply in each other at \(Self.pointer(path).description.prefix(100))"
            return false
        }
        nesting += 1
        defer { nesting -= 1 }
        let subschema = schema.subschemas[schema.subschemas[number].target ?? number]
        if subschema.isNever { add("must not be there: the schema allows nothing here") }
        var fits = !subschema.isNever
        for keyword in subschema.keywords where !follows(value, keyword) {
            fits = false
            if isOver(fits) { break }
        }
        return fits
    }

    private mutating func follows(_ value: JSONValue, _ keyword: SchemaKeyword) -> Bool {
        switch keyword {
        case .types(let types): hasType(value, types)
        case .values(let values): isListed(value, values)
        case .constant(let constant): isConstant(value, constant)
        case .number(let number): value.kind != .number || follows(value, number)
        case .string(let string): value.kind != .string || follows(value, string)
        case .array(let array): value.kind != .array || follows(value, array)
        case .object(let object): value.kind != .object || follows(value, object)
        case .allOf(let all): fitsAll(value, all)
        case .anyOf(let any): fitsAny(value, any)
        case .oneOf(let one): fitsOne(value, one)
        case .not(let not): fitsNot(value, not)
        case .condition(let condition): follows(value, condition)
        }
    }

    // MARK: What is noted

    mutating func spend(_ steps: Int) {
        work.spend(steps)
        if work.isExceeded, stop == nil { stop = "that would take too long" }
    }

    /// Whether a pattern matches somewhere in a text; its steps have a budget of their own.
    mutating func isFound(_ pattern: SchemaPattern, in text: String) -> Bool {
        if stop == nil, report.spend(pattern.steps(text)), let isFound = pattern.isFound(in: text) { return isFound }
        if stop == nil { stop = "its patterns would take too long" }
        return false
    }

    mutating func spend(bytes: Int) { spend(bytes / 16) }

    mutating func areEqual(_ one: JSONValue, _ other: JSONValue) -> Bool {
        var comparison = JSONComparison(work)
        let areEqual = comparison.areEqual(one, other)
        work = comparison.work
        spend(0)
        return areEqual
    }

    /// Notes what is wrong, and answers false.
    ///
    /// - Parameter member: of the value: what is wrong is there.
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

    /// nil when a value fits, else the first thing that is wrong with it. Also when the check was given up: then all of it is.
    mutating func reason(_ value: JSONValue, _ number: Int) -> String? {
        let outer = trial
        trial = Trial(start: path.count)
        defer { trial = outer }
        return fits(value, number) ? nil : trial?.reason ?? "cannot be judged"
    }

    // MARK: Several schemas

    private mutating func fitsAll(_ value: JSONValue, _ numbers: [Int]) -> Bool {
        var fits = true
        for number in numbers where !self.fits(value, number) {
            fits = false
            if isOver(fits) { break }
        }
        return fits
    }

    private mutating func fitsAny(_ value: JSONValue, _ numbers: [Int]) -> Bool {
        var reasons: [String] = []
        for number in numbers {
            guard let reason = reason(value, number) else { return true }
            reasons.append(reason)
        }
        return addNone(reasons, of: "anyOf")
    }

    private mutating func fitsOne(_ value: JSONValue, _ numbers: [Int]) -> Bool {
        var reasons: [String] = []
        var fitting: [Int] = []
        for (place, number) in numbers.enumerated() {
            if let reason = reason(value, number) { reasons.append(reason) } else { fitting.append(place) }
            if fitting.count == 2 { return add("fits schemas \(fitting[0]) and \(fitting[1]) of oneOf, must fit exactly one") }
        }
        return fitting.count == 1 || addNone(reasons, of: "oneOf")
    }

    private mutating func addNone(_ reasons: [String], of keyword: String) -> Bool {
        let more = reasons.count > 3 ? "; …" : ""
        return add("fits no schema of \(keyword): " + reasons.prefix(3).joined(separator: "; ") + more)
    }

    private mutating func fitsNot(_ value: JSONValue, _ number: Int) -> Bool {
        reason(value, number) != nil || add("is what the schema excludes with not")
    }

    private mutating func follows(_ value: JSONValue, _ condition: ConditionSchema) -> Bool {
        let next = reason(value, condition.test) == nil ? condition.positive : condition.negative
        return next.map { fits(value, $0) } ?? true
    }
}
