/// The contents of a `map<string, string>`. Keys are compared by their bytes, as in protobuf and PostgreSQL: a Swift dictionary would take
/// "é" composed and decomposed for the same key, and drop one.
public struct StringMap: Sendable, Equatable, ExpressibleByDictionaryLiteral, RandomAccessCollection {
    public struct Element: Sendable, Equatable {
        public var key: String
        public var value: String

        public init(key: String, value: String) {
            self.key = key
            self.value = value
        }

        public static func == (left: Element, right: Element) -> Bool {
            left.key.utf8.elementsEqual(right.key.utf8) && left.value.utf8.elementsEqual(right.value.utf8)
        }
    }

    /// Sorted by the keys' bytes, so that equal maps have equal encodings.
    private let elements: [Element]

    /// If a key occurs twice the last one counts, as the protobuf specification says.
    public init(_ elements: some Sequence<Element>) {
        let indexed = elements.enumerated().sorted { left, right in
            Self.precedes(left.element.key, right.element.key)
                || (!Self.precedes(right.element.key, left.element.key) && left.offset < right.offset)
        }
        var unique: [Element] = []
        for (_, element) in indexed {
            if let last = unique.last, last.key.utf8.elementsEqual(element.key.utf8) { unique.removeLast() }
            unique.append(element)
        }
        self.elements = unique
    }

    public init(_ dictionary: [String: String]) {
        self.init(dictionary.map { Element(key: $0.key, value: $0.value) })
    }

    public init(dictionaryLiteral pairs: (String, String)...) {
        self.init(pairs.map { Element(key: $0.0, value: $0.1) })
    }

    public var startIndex: Int { elements.startIndex }
    public var endIndex: Int { elements.endIndex }
    public subscript(position: Int) -> Element { elements[position] }

    public static let empty = StringMap([Element]())

    /// The value of a key.
    public subscript(key: String) -> String? {
        elements.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
    }

    private static func precedes(_ left: String, _ right: String) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }
}
