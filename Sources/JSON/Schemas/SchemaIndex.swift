/// The places of a document that are schemas, and the targets of their `$id`s and `$ref`s. Nothing here recurses or visits a place twice:
/// schemas may refer to each other in chains of any length. A class, since it grows while it is being read.
final class SchemaIndex {
    struct Location {
        let value: JSONValue
        /// The place in the definition.
        let place: JSONPointer
        /// The base of references in it; its own `$id` counts.
        let base: URIReference
    }

    /// In the order in which they were found; a schema's number is its index here.
    private(set) var locations: [Location] = []
    private(set) var faults = FaultList()
    private let maximum: Int
    /// The document has more schemas than allowed; no more are added.
    private(set) var isFull = false
    /// Numbers of schemas, by the node of their value.
    private var known: [Int: Int] = [:]
    /// By URI: the whole schema with this `$id`.
    private var resources: [Name: Int] = [:]
    /// By URI, "#" and name: `"$id": "#name"`.
    private var anchors: [Name: Int] = [:]
    /// The contents of objects and arrays on the way of references, by node: a long list of definitions is not searched for each reference.
    private var members: [Int: [JSONName: JSONValue]] = [:]
    private var elements: [Int: [JSONValue]] = [:]

    /// Of a `$id` or `$ref`: resolving joins the two, so many of both would cost their product.
    static let maximumURIBytes = 2_000

    init(_ root: JSONValue, at place: JSONPointer, maximum: Int) {
        self.maximum = maximum
        resources[Name("")] = 0
        _ = enlist(root, at: place, in: URIReference(""))
    }

    /// Adds a value as a schema, with all schemas in it, and returns its number.
    private func enlist(_ value: JSONValue, at place: JSONPointer, in base: URIReference) -> Int {
        if let number = known[value.index] { return number }
        let number = locations.count
        var next = number
        add(value, at: place, in: base)
        while next < locations.count, !isFull {
            let location = locations[next]
            for (child, tokens) in Self.children(location.value) where known[child.index] == nil {
                add(child, at: JSONPointer(location.place.tokens + tokens), in: location.base)
            }
            next += 1
        }
        return number
    }

    private func add(_ value: JSONValue, at place: JSONPointer, in base: URIReference) {
        if isFull { return }
        if locations.count == maximum {
            isFull = true
            return faults.add(place.description, "is one schema too many; the limit is \(maximum)")
        }
        known[value.index] = locations.count
        var base = base
        if let id = id({ value[$0] }) {
            let own = URIReference(id).resolved(in: base)
            if let name = own.fragment, !name.isEmpty {
                anchors[Name(own.document + "#" + name)] = locations.count
            } else if resources.updateValue(locations.count, forKey: Name(own.document)) != nil, !own.document.isEmpty {
                faults.add(place.appending("$id").description, "\"\(id)\" is the $id of another schema already")
            }
            if !id.hasPrefix("#") { base = own }
        }
        locations.append(Location(value: value, place: place, base: base))
    }

    /// nil beside `$ref`, where `$id` is ignored.
    private func id(_ member: (String) -> JSONValue?) -> String? {
        guard member("$ref")?.kind != .string, let id = member("$id")?.string else { return nil }
        return id.utf8.count <= Self.maximumURIBytes ? id : nil
    }

    /// The number of a schema within another one.
    func number(of value: JSONValue) -> Int? { known[value.index] }

    // MARK: References

    /// The number of the schema to which a reference in another one refers; or why there is none.
    func resolve(_ reference: String, in number: Int) -> (number: Int?, fault: String) {
        if reference.utf8.count > Self.maximumURIBytes {
            return (nil, "is \(reference.utf8.count) bytes, the limit is \(Self.maximumURIBytes)")
        }
        let target = URIReference(reference).resolved(in: locations[number].base)
        guard let resource = resources[Name(target.document)] else {
            return (nil, "\"\(reference)\" is not in this document; other documents are never fetched: copy it into \"definitions\"")
        }
        let fragment = target.fragment ?? ""
        if fragment.isEmpty { return (resource, "") }
        guard fragment.utf8.first == UInt8(ascii: "/") else {
            let anchor = anchors[Name(target.document + "#" + fragment)]
            return (anchor, "\"\(reference)\" names nothing: no schema here has \"$id\": \"#\(fragment)\"")
        }
        guard let pointer = URIReference.decode(fragment).flatMap({ JSONPointer($0) }) else {
            return (nil, "\"\(reference)\" is not a JSON Pointer (RFC 6901) behind \"#\"")
        }
        return (follow(pointer, from: resource), "\"\(reference)\" leads to nothing")
    }

    private func follow(_ pointer: JSONPointer, from number: Int) -> Int? {
        var (value, base) = (locations[number].value, locations[number].base)
        for (step, token) in pointer.tokens.enumerated() {
            guard let inner = inner(token, of: value) else { return nil }
            value = inner
            if step < pointer.tokens.count - 1, let id = id({ self.inner($0, of: value) }), !id.hasPrefix("#") {
                base = URIReference(id).resolved(in: base)
            }
        }
        return enlist(value, at: JSONPointer(locations[number].place.tokens + pointer.tokens), in: base)
    }

    private func inner(_ token: String, of value: JSONValue) -> JSONValue? {
        switch value.kind {
        case .object:
            if members[value.index] == nil {
                let pairs = value.members.map { (JSONName(spelled: $0.key.text), $0.value) }
                members[value.index] = Dictionary(pairs, uniquingKeysWith: { _, last in last })
            }
            return members[value.index]?[JSONName(token)]
        case .array:
            if elements[value.index] == nil { elements[value.index] = Array(value.elements) }
            guard let place = JSONPointer.place(token), let all = elements[value.index], all.indices.contains(place) else { return nil }
            return all[place]
        default: return nil
        }
    }

    // MARK: Schemas in a schema

    private static let single = ["additionalItems", "contains", "additionalProperties", "propertyNames", "if", "then", "else", "not"]
    private static let lists = ["allOf", "anyOf", "oneOf"]
    private static let maps = ["definitions", "properties", "patternProperties", "dependencies"]

    private static func children(_ schema: JSONValue) -> [(value: JSONValue, tokens: [String])] {
        guard schema.kind == .object else { return [] }
        var children: [(value: JSONValue, tokens: [String])] = []
        for member in schema.lastMembers {
            let (name, value) = (member.name, member.value)
            if single.contains(name) || name == "items" && value.kind != .array {
                children.append((value, [name]))
            } else if lists.contains(name) || name == "items" {
                for (number, element) in value.elements.enumerated() { children.append((element, [name, "\(number)"])) }
            } else if maps.contains(name) {
                for inner in value.lastMembers where name != "dependencies" || inner.value.kind != .array {
                    children.append((inner.value, [name, inner.name]))
                }
            }
        }
        return children
    }
}

/// Limits of a schema, and of the patterns in the document that it is part of.
package struct SchemaLimits: Sendable {
    /// Subschemas.
    package var schemas: Int
    /// Different patterns.
    package var patterns: Int
    /// Bytes of one pattern, as spelled.
    package var patternBytes: Int
    /// Memory of one compiled pattern.
    package var patternMemoryBytes: Int

    package init(schemas: Int, patterns: Int, patternBytes: Int, patternMemoryBytes: Int) {
        self.schemas = schemas
        self.patterns = patterns
        self.patternBytes = patternBytes
        self.patternMemoryBytes = patternMemoryBytes
    }
}
