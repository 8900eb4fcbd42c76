/// Reads the keywords of one schema, and reports faults in them.
struct SchemaObject {
    let place: JSONPointer
    private(set) var faults = FaultList()
    private let members: [JSONName: JSONValue]
    private let index: SchemaIndex

    init(_ object: JSONValue, at place: JSONPointer, _ index: SchemaIndex) {
        self.place = place
        self.index = index
        members = Dictionary(object.members.map { (JSONName(spelled: $0.key.text), $0.value) }, uniquingKeysWith: { _, last in last })
    }

    mutating func fault(_ keyword: String, _ message: String) { fault([keyword], message) }

    private mutating func fault(_ tokens: [String], _ message: String) {
        faults.add(JSONPointer(place.tokens + tokens).description, message)
    }

    func value(_ keyword: String) -> JSONValue? { members[JSONName(keyword)] }

    private mutating func value(_ keyword: String, _ kind: JSONValue.Kind) -> JSONValue? {
        guard let value = members[JSONName(keyword)] else { return nil }
        if value.kind == kind { return value }
        fault(keyword, "is \(value.kind.article) \(value.kind.name), not \(kind.article) \(kind.name)")
        return nil
    }

    mutating func string(_ keyword: String) -> String? { value(keyword, .string)?.string }

    mutating func array(_ keyword: String) -> [JSONValue]? { value(keyword, .array).map { Array($0.elements) } }

    private mutating func count(_ keyword: String) -> Int? {
        guard let number = value(keyword, .number) else { return nil }
        if let count = Int(exactly: number.double ?? .nan), count >= 0 { return count }
        fault(keyword, "is \(number.shown), not a whole number from 0")
        return nil
    }

    /// The number of the schema in a keyword; a value that is not a schema has its fault at its own place.
    func schema(_ keyword: String) -> Int? { members[JSONName(keyword)].flatMap { index.number(of: $0) } }

    mutating func schemas(_ keyword: String) -> [Int]? {
        guard let elements = array(keyword) else { return nil }
        if elements.isEmpty { fault(keyword, "is empty; give one schema at least") }
        return elements.compactMap { index.number(of: $0) }
    }

    // MARK: Drafts and names

    /// Keywords of later drafts, and their counterparts in draft-07.
    private static let laterKeywords = [
        "$recursiveRef": "$ref", "$dynamicRef": "$ref", "dependentRequired": "dependencies", "dependentSchemas": "dependencies",
        "prefixItems": "an array of items", "minContains": "contains", "maxContains": "contains", "unevaluatedItems": "additionalItems",
        "unevaluatedProperties": "additionalProperties",
    ]

    /// Reports keywords of later drafts, and an invalid `$id`.
    mutating func checkNames() {
        for (keyword, other) in Self.laterKeywords where members[JSONName(keyword)] != nil {
            fault(keyword, "is of a later draft; schemas here are draft-07, which has \(other)")
        }
        if let id = string("$id"), id.utf8.count > SchemaIndex.maximumURIBytes {
            fault("$id", "is \(id.utf8.count) bytes, the limit is \(SchemaIndex.maximumURIBytes)")
        }
        guard let draft = string("$schema") else { return }
        let names = ["http://json-schema.org/draft-07/schema", "https://json-schema.org/draft-07/schema"]
        if !names.contains(where: { draft == $0 || draft == $0 + "#" }) {
            fault("$schema", "is \"\(draft)\"; schemas here are draft-07: \"\(names[0])#\"")
        }
    }

    // MARK: Groups of keywords

    mutating func types() -> SchemaTypes? {
        guard let value = members["type"] else { return nil }
        var names: [String] = []
        for element in value.kind == .array ? Array(value.elements) : [value] {
            guard let name = element.string, SchemaTypes.known.contains(name) else {
                fault("type", "\(element.shown) is not a type; use \(SchemaTypes.known.joined(separator: ", "))")
                continue
            }
            if !names.contains(name) { names.append(name) }
        }
        if value.kind == .array, value.isEmpty { fault("type", "is empty; give one type at least") }
        return SchemaTypes(names)
    }

    mutating func numberSchema() -> NumberSchema? {
        let bounds = ["maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "multipleOf"].map { value($0, .number) }
        if let divisor = bounds[4], !JSONNumber.isDivisor(divisor.text) {
            fault("multipleOf", "is \(divisor.shown); give a number above 0 of at most \(JSONNumber.maximumDivisorDigits) digits")
        }
        guard bounds.contains(where: { $0 != nil }) else { return nil }
        return NumberSchema(
            maximum: bounds[0], exclusiveMaximum: bounds[1], minimum: bounds[2], exclusiveMinimum: bounds[3], multipleOf: bounds[4])
    }

    mutating func stringSchema(_ patterns: PatternTable) -> StringSchema? {
        let (maximum, minimum) = (count("maxLength"), count("minLength"))
        let pattern = string("pattern").flatMap { self.pattern($0, at: ["pattern"], patterns) }
        // An unknown format is ignored (§7.2).
        let format = string("format").flatMap { SchemaFormat(rawValue: $0) }
        if maximum == nil, minimum == nil, pattern == nil, format == nil { return nil }
        return StringSchema(maximum: maximum, minimum: minimum, pattern: pattern, format: format)
    }

    private mutating func pattern(_ source: String, at tokens: [String], _ patterns: PatternTable) -> SchemaPattern? {
        let (pattern, fault) = SchemaPattern.compile(source, patterns)
        if let fault { self.fault(tokens, fault) }
        return pattern
    }

    mutating func arraySchema() -> ArraySchema? {
        let (maximum, minimum) = (count("maxItems"), count("minItems"))
        let isUnique = value("uniqueItems", .boolean)?.isTrue ?? false
        var first: [Int] = []
        var rest: Int?
        if let items = members["items"], items.kind == .array {
            first = items.elements.compactMap { index.number(of: $0) }
            rest = schema("additionalItems")
        } else {
            rest = schema("items")
        }
        let contains = schema("contains")
        if maximum == nil, minimum == nil, !isUnique, first.isEmpty, rest == nil, contains == nil { return nil }
        return ArraySchema(first: first, rest: rest, contains: contains, maximum: maximum, minimum: minimum, isUnique: isUnique)
    }

    mutating func objectSchema(_ patterns: PatternTable) -> ObjectSchema? {
        let known = [
            "properties", "patternProperties", "additionalProperties", "propertyNames", "required", "dependencies", "maxProperties",
            "minProperties",
        ]
        guard known.contains(where: { members[JSONName($0)] != nil }) else { return nil }
        var properties: [JSONName: ObjectSchema.Property] = [:]
        for member in value("properties", .object)?.lastMembers ?? [] {
            properties[JSONName(spelled: member.key.text)] = ObjectSchema.Property(schema: index.number(of: member.value), required: nil)
        }
        let required = names(array("required") ?? [], ["required"])
        for (number, name) in required.enumerated() {
            if properties[name, default: ObjectSchema.Property()].required != nil { fault("required", "has a name twice") }
            properties[name, default: ObjectSchema.Property()].required = number
        }
        var byPattern: [(pattern: SchemaPattern, schema: Int)] = []
        for member in value("patternProperties", .object)?.lastMembers ?? [] {
            guard let schema = index.number(of: member.value),
                let pattern = pattern(member.name, at: ["patternProperties", member.name], patterns)
            else { continue }
            byPattern.append((pattern, schema))
        }
        return ObjectSchema(
            properties: properties, required: required, patterns: byPattern, rest: schema("additionalProperties"),
            names: schema("propertyNames"), dependencies: dependencies(), maximum: count("maxProperties"), minimum: count("minProperties"))
    }

    private mutating func dependencies() -> [ObjectSchema.Dependency] {
        (value("dependencies", .object)?.lastMembers ?? []).map { member in
            let isList = member.value.kind == .array
            return ObjectSchema.Dependency(
                name: JSONName(spelled: member.key.text),
                names: isList ? names(Array(member.value.elements), ["dependencies", member.name]) : [],
                schema: isList ? nil : index.number(of: member.value))
        }
    }

    private mutating func names(_ elements: [JSONValue], _ tokens: [String]) -> [JSONName] {
        var names: [JSONName] = []
        for (number, element) in elements.enumerated() {
            if element.kind == .string {
                names.append(JSONName(spelled: element.text))
            } else {
                fault(tokens + ["\(number)"], "is \(element.kind.article) \(element.kind.name), not a string")
            }
        }
        return names
    }
}
