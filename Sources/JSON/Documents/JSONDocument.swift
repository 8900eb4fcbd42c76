import CJSON
import Synchronization

/// A parsed JSON text: its bytes, and the range of each value in them. Values are looked up, never copied, so that unchanged parts keep
/// their spelling: digits of numbers, escapes, order of members, repeated names. A class, since every value refers to it.
package final class JSONDocument: Sendable {
    package let bytes: [UInt8]
    /// Values and names of members; the contents of an array or object follow it. The C parser's own type: a large text has millions.
    let nodes: [cjson_node]
    /// In a shallow document: the arrays and objects that have been parsed.
    let opened = Mutex(OpenedParts())

    /// How many values and names it has.
    package var size: Int { nodes.count }

    /// Approximate memory in bytes.
    package var memory: Int { bytes.count + nodes.count * MemoryLayout<cjson_node>.stride }

    /// Parses a text by the grammar of `JSONText.fault`, in time and memory proportional to its length.
    ///
    /// - Parameter maximumDepth: of nested arrays and objects.
    package convenience init(_ bytes: [UInt8], maximumDepth: Int) throws(JSONText.Fault) {
        self.init(bytes, nodes: try Self.nodes(of: bytes[...], maximumDepth: maximumDepth, room: Self.nodeCount(bytes[...])))
    }

    init(_ bytes: [UInt8], nodes: [cjson_node]) {
        self.bytes = bytes
        self.nodes = nodes
    }

    /// - Parameter room: `nodeCount`.
    static func nodes(of text: ArraySlice<UInt8>, maximumDepth: Int, room: Int) throws(JSONText.Fault) -> [cjson_node] {
        var error = cjson_error()
        var isParsed = false
        let nodes = text.withUnsafeBufferPointer { text in
            [cjson_node](unsafeUninitializedCapacity: room) { nodes, count in
                isParsed = cjson_parse(text.baseAddress, text.count, max(0, maximumDepth), nodes.baseAddress, room, &count, &error) == 1
                if !isParsed { count = 0 }
            }
        }
        guard isParsed else { throw text.withUnsafeBytes { JSONText.Fault(error, in: $0) } }
        return nodes
    }

    /// An upper bound of the number of nodes of a text, hardly ever too high.
    static func nodeCount(_ text: ArraySlice<UInt8>) -> Int {
        text.withUnsafeBufferPointer { cjson_count($0.baseAddress, $0.count) }
    }

    /// A node as it is spelled.
    func text(of index: Int) -> ArraySlice<UInt8> { bytes[Int(nodes[index].begin)..<Int(nodes[index].end)] }

    package var root: JSONValue { JSONValue(document: self, index: 0) }
}

extension JSONText.Fault: Error {}

/// One value of a document.
package struct JSONValue: Sendable {
    package enum Kind: Sendable, Equatable, CaseIterable {
        case null, boolean, number, string, array, object

        init(_ node: cjson_node) {
            switch cjson_kind(node.kind_and_height & 0x7F) {
            case CJSON_FALSE, CJSON_TRUE: self = .boolean
            case CJSON_NUMBER: self = .number
            case CJSON_STRING: self = .string
            case CJSON_ARRAY: self = .array
            case CJSON_OBJECT: self = .object
            default: self = .null
            }
        }

        /// In front of the name, in messages.
        package var article: String { self == .array || self == .object ? "an" : "a" }

        /// As JSON Schema names it.
        package var name: String {
            switch self {
            case .null: "null"
            case .boolean: "boolean"
            case .number: "number"
            case .string: "string"
            case .array: "array"
            case .object: "object"
            }
        }
    }

    let document: JSONDocument
    let index: Int

    var node: cjson_node { document.nodes[index] }

    /// The index behind this node and its contents.
    private var end: Int { Int(node.next) }

    package var kind: Kind { Kind(node) }

    /// The depth of nested arrays and objects, this one included; 0 for any other value.
    var height: Int { Int(node.kind_and_height >> 8) }

    /// Bytes of `text`.
    package var size: Int { Int(node.end - node.begin) }

    /// The value as it is spelled.
    package var text: ArraySlice<UInt8> { document.text(of: index) }

    package var isTrue: Bool { kind == .boolean && document.bytes[Int(node.begin)] == UInt8(ascii: "t") }

    /// nil unless it is `true` or `false`.
    package var boolean: Bool? { kind == .boolean ? isTrue : nil }

    /// The characters of a string. A single surrogate, which no `String` can hold, becomes U+FFFD.
    package var string: String? { kind == .string ? JSONString.decode(text) : nil }

    /// The nearest double; infinite beyond its range. nil unless it is a number.
    package var double: Double? { kind == .number ? JSONNumber.double(text) : nil }

    /// Whether a string, array or object is empty; null is too. Numbers and booleans are not.
    package var isEmpty: Bool {
        switch kind {
        case .null: true
        case .string: size == 2
        case .array, .object: end == index + 1 && !isOpaque
        case .boolean, .number: false
        }
    }

    /// Elements of an array, or members of an object.
    package var count: Int {
        switch kind {
        case .array: elements.reduce(0) { count, _ in count + 1 }
        case .object: members.reduce(0) { count, _ in count + 1 }
        default: 0
        }
    }

    /// The elements of an array; empty for any other value.
    package var elements: Elements { Elements(parent: self, isValid: kind == .array) }

    /// The members of an object in their order, repeated ones too; empty for any other value.
    package var members: Members { Members(parent: self, isValid: kind == .object) }

    /// The value of the last member with that name, as nearly every parser takes it (RFC 8259 §4 leaves it open).
    package subscript(name: String) -> JSONValue? {
        var found: JSONValue?
        for member in members where member.hasName(name) { found = member.value }
        return found
    }

    /// The element at an index from 0.
    package subscript(place: Int) -> JSONValue? {
        guard place >= 0 else { return nil }
        var left = place
        for element in elements {
            if left == 0 { return element }
            left -= 1
        }
        return nil
    }

    package struct Member: Sendable {
        /// A string.
        package let key: JSONValue
        package let value: JSONValue

        package var name: String { key.string ?? "" }

        func hasName(_ name: String) -> Bool { JSONString.isEqual(key.text, name) }
    }

    /// The places of the contents of an array or object, one after the other.
    fileprivate struct Places {
        let document: JSONDocument
        private var next: Int
        private let end: Int

        init(of parent: JSONValue, isValid: Bool) {
            let parent = parent.isOpaque ? parent.opened : parent
            document = parent.document
            next = parent.index + 1
            end = isValid ? parent.end : next
        }

        /// - Parameter names: values that come before each one: 1 in an object, for the member's name.
        mutating func popFirst(behind names: Int) -> Int? {
            guard next < end else { return nil }
            defer { next = Int(document.nodes[next + names].next) }
            return next
        }
    }

    package struct Elements: Sequence, IteratorProtocol {
        private var places: Places

        init(parent: JSONValue, isValid: Bool) { places = Places(of: parent, isValid: isValid) }

        package var document: JSONDocument { places.document }

        package mutating func next() -> JSONValue? {
            places.popFirst(behind: 0).map { JSONValue(document: places.document, index: $0) }
        }
    }

    package struct Members: Sequence, IteratorProtocol {
        private var places: Places

        init(parent: JSONValue, isValid: Bool) { places = Places(of: parent, isValid: isValid) }

        var document: JSONDocument { places.document }

        package mutating func next() -> Member? {
            places.popFirst(behind: 1).map { place in
                Member(
                    key: JSONValue(document: places.document, index: place),
                    value: JSONValue(document: places.document, index: place + 1))
            }
        }
    }
}

/// JSON as bytes. The bytes are checked, never changed: what was saved comes back byte for byte.
package enum JSONText {
    /// Why and where bytes are not a JSON text by RFC 8259.
    package struct Fault: Sendable, Equatable {
        package var message: String
        /// Bytes from the start.
        package var offset: Int
        /// From 1.
        package var line: Int
        /// From 1, in characters (code points).
        package var column: Int
        /// The text is JSON so far, only nested deeper than allowed.
        package var isTooDeep: Bool

        init(message: String, offset: Int, line: Int, column: Int, isTooDeep: Bool) {
            (self.message, self.offset, self.line, self.column, self.isTooDeep) = (message, offset, line, column, isTooDeep)
        }

        /// - Parameter bytes: the text. The message names a byte order mark: RFC 8259 §8.1 forbids it, and editors do not show it.
        init(_ error: cjson_error, in bytes: UnsafeRawBufferPointer) {
            let hasMark = error.offset == 0 && bytes.starts(with: [0xEF, 0xBB, 0xBF])
            message = hasMark ? "begins with a byte order mark (U+FEFF); remove it" : String(cString: error.message)
            (offset, line, column) = (error.offset, error.line, error.column)
            isTooDeep = error.code == CJSON_TOO_DEEP
        }
    }

    /// Checks against RFC 8259's grammar; see `cjson_validate` for what that includes. Does not allocate for texts
    /// nested less than 100 deep.
    ///
    /// - Returns: nil for JSON.
    package static func fault(in bytes: UnsafeRawBufferPointer, maximumDepth: Int) -> Fault? {
        var error = cjson_error()
        let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        if cjson_validate(start, bytes.count, max(0, maximumDepth), &error) == 1 { return nil }
        return Fault(error, in: bytes)
    }

    package static func fault(in bytes: [UInt8], maximumDepth: Int) -> Fault? {
        bytes.withUnsafeBytes { fault(in: $0, maximumDepth: maximumDepth) }
    }
}

extension JSONText.Fault: CustomStringConvertible {
    /// "line 3, column 14 (byte 52): expected ',' or '}'"
    package var description: String { "line \(line), column \(column) (byte \(offset)): \(message)" }
}
