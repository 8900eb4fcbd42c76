import JSON

/// Reads the rules of a definition, after the phases and statuses to which they refer.
package struct RuleReader {
    private var reader: ObjectReader
    private let scope: DefinitionScope

    private init(_ object: JSONValue, at place: JSONPointer, _ scope: DefinitionScope) {
        reader = ObjectReader(object, at: place)
        self.scope = scope
    }

    /// The nesting of rules within rules: a list of maps of lists.
    private static let maximumDepth = 4

    /// - Parameter place: of the array.
    static func read(
        _ rules: [JSONValue], at place: JSONPointer, _ scope: DefinitionScope, depth: Int = 0
    ) -> (rules: [RuleEntry], faults: FaultList) {
        var entries: [RuleEntry] = []
        var faults = FaultList()
        guard scope.takesRules(rules.count) else {
            faults.add(place.description, "are too many, with those within rules; the limit is \(scope.limits.definitionRules)")
            return ([], faults)
        }
        for (number, rule) in rules.enumerated() {
            var reader = RuleReader(rule, at: place.appending("\(number)"), scope)
            reader.depth = depth
            if let entry = reader.entry() { entries.append(entry) }
            faults.take(reader.reader.faults)
        }
        return (entries, faults)
    }

    private var depth = 0

    private mutating func entry() -> RuleEntry? {
        let path = reader.pointer("path", isRequired: depth == 0)
        let name = reader.string("name", isRequired: false)
        let severity = oneOf("severity", RuleEntry.Severity.allCases) ?? .error
        let depths = depths()
        guard let kind = reader.string("rule") else { return nil }
        guard let type = RuleKinds.named(kind) else {
            reader.fault("rule", "\"\(kind)\" is not a rule; use \(RuleKinds.all.map { $0.kind }.joined(separator: ", "))")
            return nil
        }
        let rule = type.init(&self)
        reader.finish()
        return RuleEntry(name: name ?? kind, severity: severity, depths: depths, path: path ?? .root, rule: rule)
    }

    private mutating func depths() -> Set<ValidationDepth> {
        guard let names = reader.strings("depths") else { return [.complete] }
        var depths: Set<ValidationDepth> = []
        for name in names {
            if let depth = ValidationDepth(rawValue: name) {
                depths.insert(depth)
            } else {
                let all = ValidationDepth.allCases.map(\.rawValue).joined(separator: ", ")
                reader.fault("depths", "\"\(name)\" is not a depth; use \(all)")
            }
        }
        return depths
    }

    private mutating func oneOf<Value: RawRepresentable<String>>(_ member: String, _ values: [Value]) -> Value? {
        guard let name = reader.string(member, isRequired: false) else { return nil }
        if let value = Value(rawValue: name) { return value }
        reader.fault(member, "is \"\(name)\"; use \(values.map(\.rawValue).joined(separator: " or "))")
        return nil
    }
}

// MARK: - For the rules

extension RuleReader {
    mutating func fault(_ member: String, _ message: @autoclosure () -> String) { reader.fault(member, message()) }
    mutating func value(_ member: String) -> JSONValue? { reader.value(member) }
    mutating func string(_ member: String) -> String? { reader.string(member) }
    mutating func strings(_ member: String) -> [String]? { reader.strings(member) }
    mutating func stringOrStrings(_ member: String) -> [String] { reader.stringOrStrings(member) }
    mutating func number(_ member: String) -> JSONValue? { reader.number(member) }
    mutating func count(_ member: String) -> Int? { reader.count(member) }
    mutating func pointer(_ member: String) -> JSONPointer? { reader.pointer(member) }

    /// The name of a JSON type, if there is one.
    mutating func typeName(_ member: String) -> String? {
        let name = reader.string(member, isRequired: false)
        if let name { checkTypeName(name, member) }
        return name
    }

    mutating func checkTypeName(_ name: String, _ member: String) {
        let known = ["string", "number", "boolean", "array", "object", "null"]
        if !known.contains(name) { fault(member, "\"\(name)\" is not a JSON type; use \(known.joined(separator: ", "))") }
    }

    /// An array of strings, or "phases" or "statuses".
    mutating func nameSet(_ member: String) -> NameSet {
        switch reader.value(member)?.string {
        case "phases": return scope.phases
        case "statuses": return scope.statuses
        case let other?:
            fault(member, "is \"\(other)\"; give an array of strings, \"phases\" or \"statuses\"")
            return names([])
        case nil: return names(reader.strings(member, isRequired: true) ?? [])
        }
    }

    func names(_ names: [String]) -> NameSet { scope.names(names) }

    /// A number that tells apart the lists in which rules look for values.
    func nextNumber() -> Int { scope.nextList() }

    mutating func knownPhases(_ member: String) -> NameSet {
        let names = reader.strings(member, isRequired: true) ?? []
        for name in names where !scope.phases.contains(name) { fault(member, "\"\(name)\" is not a phase of this definition") }
        return scope.names(names)
    }

    mutating func knownStatus(_ member: String) -> String {
        let name = reader.string(member) ?? ""
        if !name.isEmpty, !scope.statuses.contains(name) { fault(member, "\"\(name)\" is not a status of this definition") }
        return name
    }

    /// A regular expression; nil when it is refused.
    mutating func pattern(_ member: String) -> TextPattern? {
        guard let source = reader.string(member) else { return nil }
        let (pattern, fault) = scope.patterns.compile(source, as: source)
        if let fault { self.fault(member, fault) }
        return pattern
    }

    /// Rules for what the value contains.
    mutating func rules(_ member: String) -> [RuleEntry] {
        let rules = reader.array(member, isRequired: true) ?? []
        guard depth < Self.maximumDepth else {
            fault(member, "rules are nested more than \(Self.maximumDepth) deep")
            return []
        }
        let (entries, faults) = Self.read(rules, at: reader.place.appending(member), scope, depth: depth + 1)
        reader.take(faults)
        return entries
    }
}
