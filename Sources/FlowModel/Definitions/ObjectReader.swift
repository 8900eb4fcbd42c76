import JSON

/// Reads the members of one object of a definition and notes what is wrong with them. At the end it notes members that were never read, so
/// that a misspelled name is reported.
struct ObjectReader {
    let object: JSONValue
    let place: JSONPointer
    private(set) var faults = FaultList()
    private var known: Set<JSONName> = []
    /// The last of repeated names.
    private let members: [JSONName: JSONValue]

    init(_ object: JSONValue, at place: JSONPointer) {
        self.object = object
        self.place = place
        members = Dictionary(object.members.map { (JSONName(spelled: $0.key.text), $0.value) }, uniquingKeysWith: { _, last in last })
        if object.kind != .object { fault("", "is \(object.kind.article) \(object.kind.name), not an object") }
    }

    /// - Parameter member: of the object; empty: the object itself.
    mutating func fault(_ member: String, _ message: @autoclosure () -> String) {
        faults.add((member.isEmpty ? place : place.appending(member)).description, message())
    }

    /// - Parameter place: in the document.
    mutating func faultAt(_ place: JSONPointer, _ message: @autoclosure () -> String) { faults.add(place.description, message()) }

    mutating func take(_ others: FaultList) { faults.take(others) }

    /// The value of a member; nil when it is missing or null.
    mutating func value(_ member: String) -> JSONValue? {
        known.insert(JSONName(member))
        return members[JSONName(member)]?.unlessNull
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

    /// An array of at most `most` elements; a longer one is not read.
    mutating func array(_ member: String, most: Int) -> [JSONValue] {
        guard let elements = array(member) else { return [] }
        if elements.count <= most { return elements }
        fault(member, "are \(elements.count), the limit is \(most)")
        return []
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
            fault(member, "\"\(text)\" is not a JSON Pointer (RFC 6901): it begins with \"/\", and \"~\" is written \"~0\"")
            return nil
        }
        return pointer
    }

    /// A pointer to a place in the state, not to the whole state.
    mutating func place(_ member: String, isRequired: Bool = false) -> JSONPointer? {
        guard let pointer = pointer(member, isRequired: isRequired) else { return nil }
        if pointer.tokens.isEmpty { fault(member, "is the whole state; name a place in it, such as \"/status\"") }
        return pointer
    }

    /// Notes the members that were not asked for.
    mutating func finish() {
        let known = known
        for member in object.members where !known.contains(JSONName(spelled: member.key.text)) {
            fault(member.name, "is not known here; use \(known.map(\.characters).sorted().joined(separator: ", "))")
        }
    }
}
