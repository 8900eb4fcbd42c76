/// Reads the members of one object of a definition, notes what is wrong with them, and at the end what nobody asked for: a member that is
/// misspelled must not be passed over.
struct ObjectReader {
    let object: JSONValue
    let place: JSONPointer
    private(set) var faults: [DefinitionFault] = []
    private var known: Set<String> = []

    init(_ object: JSONValue, at place: JSONPointer) {
        self.object = object
        self.place = place
        if object.kind != .object { fault("", "is \(object.kind.article) \(object.kind.name), not an object") }
    }

    /// - Parameter member: of the object; empty: the object itself.
    mutating func fault(_ member: String, _ message: String) {
        let path = member.isEmpty ? place : place.appending(member)
        faults.append(DefinitionFault(path: path.description, message: message))
    }

    mutating func take(_ others: [DefinitionFault]) { faults += others }

    /// The value of a member; nil when it is missing or null.
    mutating func value(_ member: String) -> JSONValue? {
        known.insert(member)
        return object[member]?.unlessNull
    }

    private mutating func value(_ member: String, _ kind: JSONValue.Kind, isRequired: Bool) -> JSONValue? {
        guard let value = value(member) else {
            if isRequired { fault(member, "is missing") }
            return nil
        }
        guard value.kind == kind else {
            fault(member, "is \(value.kind.article) \(value.kind.name), not \(kind.article) \(kind.name)")
            return nil
        }
        return value
    }

    mutating func string(_ member: String, isRequired: Bool = true) -> String? {
        value(member, .string, isRequired: isRequired)?.string
    }

    mutating func boolean(_ member: String) -> Bool? { value(member, .boolean, isRequired: false)?.boolean }

    mutating func number(_ member: String) -> JSONValue? { value(member, .number, isRequired: false) }

    /// A number without a fraction, from 0.
    mutating func count(_ member: String, isRequired: Bool = true) -> Int? {
        guard let number = value(member, .number, isRequired: isRequired) else { return nil }
        guard let count = Int(exactly: number.double ?? .nan), count >= 0 else {
            fault(member, "is \(number.shown), not a whole number from 0")
            return nil
        }
        return count
    }

    mutating func object(_ member: String) -> JSONValue? { value(member, .object, isRequired: false) }

    mutating func array(_ member: String, isRequired: Bool = false) -> [JSONValue]? {
        value(member, .array, isRequired: isRequired).map { Array($0.elements) }
    }

    mutating func strings(_ member: String, isRequired: Bool = false) -> [String]? {
        guard let elements = array(member, isRequired: isRequired) else { return nil }
        var strings: [String] = []
        for (number, element) in elements.enumerated() {
            guard let string = element.string else {
                fault(member, "element \(number + 1) is \(element.kind.article) \(element.kind.name), not a string")
                continue
            }
            strings.append(string)
        }
        return strings
    }

    mutating func stringOrStrings(_ member: String) -> [String] {
        if let value = value(member), let string = value.string { return [string] }
        return strings(member, isRequired: true) ?? []
    }

    mutating func pointer(_ member: String, isRequired: Bool = true) -> JSONPointer? {
        guard let text = string(member, isRequired: isRequired) else { return nil }
        guard let pointer = JSONPointer(text) else {
            fault(member, "\"\(text)\" is no JSON Pointer (RFC 6901): it begins with \"/\", and \"~\" is written \"~0\"")
            return nil
        }
        return pointer
    }

    /// A place in an object: not the whole state.
    mutating func place(_ member: String, isRequired: Bool = false) -> JSONPointer? {
        guard let pointer = pointer(member, isRequired: isRequired) else { return nil }
        if pointer.tokens.isEmpty { fault(member, "is the whole state; name a place in it, such as \"/status\"") }
        return pointer
    }

    /// Notes the members that were not asked for.
    mutating func finish() {
        for member in object.members where !known.contains(member.name) {
            fault(member.name, "is not known here; use \(known.sorted().joined(separator: ", "))")
        }
    }
}
