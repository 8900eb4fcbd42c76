/// One requirement of a schema; keywords about the same kind of value are together. Other schemas are indexes into `JSONSchema.subschemas`.
enum SchemaKeyword: Sendable {
    case types(SchemaTypes)
    case values(SchemaValues)
    case constant(JSONValue)
    case number(NumberSchema)
    case string(StringSchema)
    case array(ArraySchema)
    case object(ObjectSchema)
    case allOf([Int])
    case anyOf([Int])
    case oneOf([Int])
    case not(Int)
    case condition(ConditionSchema)

    /// Schemas that apply to the same value, rather than to its contents.
    var inPlace: [Int] {
        switch self {
        case .allOf(let all), .anyOf(let all), .oneOf(let all): all
        case .not(let one): [one]
        case .condition(let condition): [condition.test, condition.positive, condition.negative].compactMap { $0 }
        case .object(let object): object.dependencies.compactMap(\.schema)
        default: []
        }
    }
}

/// `type`.
struct SchemaTypes: Sendable {
    /// As JSON Schema names them, in the order of the document, each once.
    let names: [String]
    private let kinds: [JSONValue.Kind]
    private let hasInteger: Bool

    static let known = ["string", "number", "integer", "boolean", "array", "object", "null"]

    init(_ names: [String]) {
        self.names = names
        kinds = [JSONValue.Kind.null, .boolean, .number, .string, .array, .object].filter { names.contains($0.name) }
        hasInteger = names.contains("integer")
    }

    func contain(_ value: JSONValue) -> Bool {
        kinds.contains(value.kind) || hasInteger && value.kind == .number && JSONNumber.isInteger(value.text)
    }
}

/// `enum`. Strings are looked up, since long lists are lists of strings.
final class SchemaValues: Sendable {
    let all: [JSONValue]
    let strings: Set<JSONName>
    let others: [JSONValue]

    init(_ values: [JSONValue]) {
        all = values
        strings = Set(values.filter { $0.kind == .string }.map { JSONName(spelled: $0.text) })
        others = values.filter { $0.kind != .string }
    }
}

/// Numbers as spelled in the schema.
final class NumberSchema: Sendable {
    let maximum, exclusiveMaximum, minimum, exclusiveMinimum, multipleOf: JSONValue?
    /// Bytes of all bounds together.
    let size: Int

    init(maximum: JSONValue?, exclusiveMaximum: JSONValue?, minimum: JSONValue?, exclusiveMinimum: JSONValue?, multipleOf: JSONValue?) {
        self.maximum = maximum
        self.exclusiveMaximum = exclusiveMaximum
        self.minimum = minimum
        self.exclusiveMinimum = exclusiveMinimum
        self.multipleOf = multipleOf
        size = [maximum, exclusiveMaximum, minimum, exclusiveMinimum, multipleOf].reduce(0) { $0 + ($1?.size ?? 0) }
    }
}

final class StringSchema: Sendable {
    let maximum, minimum: Int?
    let pattern: SchemaPattern?
    let format: SchemaFormat?

    init(maximum: Int?, minimum: Int?, pattern: SchemaPattern?, format: SchemaFormat?) {
        self.maximum = maximum
        self.minimum = minimum
        self.pattern = pattern
        self.format = format
    }
}

final class ArraySchema: Sendable {
    /// Schemas of the first elements, one each.
    let first: [Int]
    /// The schema of all other elements.
    let rest: Int?
    let contains: Int?
    let maximum, minimum: Int?
    let isUnique: Bool

    init(first: [Int], rest: Int?, contains: Int?, maximum: Int?, minimum: Int?, isUnique: Bool) {
        self.first = first
        self.rest = rest
        self.contains = contains
        self.maximum = maximum
        self.minimum = minimum
        self.isUnique = isUnique
    }
}

final class ObjectSchema: Sendable {
    struct Property: Sendable {
        var schema: Int?
        /// Its index in `required`.
        var required: Int?
    }

    /// Applies when an object has a member of that name.
    struct Dependency: Sendable {
        let name: JSONName
        /// Members that are required then.
        let names: [JSONName]
        let schema: Int?
    }

    let properties: [JSONName: Property]
    let required: [JSONName]
    let patterns: [(pattern: SchemaPattern, schema: Int)]
    /// The schema of members that neither a name nor a pattern covers.
    let rest: Int?
    let names: Int?
    let dependencies: [Dependency]
    let maximum, minimum: Int?

    init(
        properties: [JSONName: Property], required: [JSONName], patterns: [(pattern: SchemaPattern, schema: Int)], rest: Int?, names: Int?,
        dependencies: [Dependency], maximum: Int?, minimum: Int?
    ) {
        self.properties = properties
        self.required = required
        self.patterns = patterns
        self.rest = rest
        self.names = names
        self.dependencies = dependencies
        self.maximum = maximum
        self.minimum = minimum
    }
}

/// `if`, `then`, `else`.
struct ConditionSchema: Sendable {
    let test: Int
    let positive, negative: Int?
}
