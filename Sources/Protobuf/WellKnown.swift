public import CWellKnown

extension MapEntry {
    public static func map(
        _ list: UnsafeMutablePointer<UnsafeMutablePointer<Google__Protobuf__MapEntry>?>?, _ count: Int
    ) throws(WireError) -> StringMap {
        guard count > 0 else { return .empty }
        var elements: [StringMap.Element] = []
        for case let element? in UnsafeBufferPointer(start: list, count: count) {
            let entry = try Self(element.pointee)
            elements.append(StringMap.Element(key: entry.key, value: entry.value))
        }
        return StringMap(elements)
    }

    public static func entries(_ map: StringMap) -> [Self] {
        map.map { Self(key: $0.key, value: $0.value) }
    }
}

extension Timestamp {
    public var fieldValue: FieldValue { .timestamp(self) }
}

extension ProtoDuration {
    public var fieldValue: FieldValue { .duration(self) }

    /// The same length of time. As duration.proto requires, the parts must have the same sign, `nanos` must be less than a second, and
    /// `seconds` at most 315,576,000,000 (10,000 years) in either direction.
    /// - Parameter field: The name of the field that holds it.
    /// - Throws: `WireError.invalidDuration` otherwise.
    public func duration(_ field: String) throws(WireError) -> Duration {
        typealias Bounds = DurationBounds
        guard (-Bounds.nanos...Bounds.nanos).contains(nanos), (-Bounds.seconds...Bounds.seconds).contains(seconds),
            seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0)
        else { throw .invalidDuration(field: field) }
        return .seconds(seconds) + .nanoseconds(nanos)
    }

    /// The same length of time, cut to the nanosecond and to protobuf's longest; its parts have the same sign, as required.
    public init(_ duration: Duration) {
        let longest = Duration.seconds(DurationBounds.seconds)
        let (seconds, attoseconds) = min(max(duration, .zero - longest), longest).components
        self.init(seconds: seconds, nanos: Int32(attoseconds / 1_000_000_000))
    }
}

/// What duration.proto allows.
private enum DurationBounds {
    /// 10,000 years, in either direction.
    static let seconds: Int64 = 315_576_000_000
    static let nanos: Int32 = 999_999_999
}

extension AnyMessage {
    /// Packs a message under the customary prefix `type.googleapis.com/`.
    public init(packing message: some WireMessage) {
        self.init(typeURL: "type.googleapis.com/" + type(of: message).fullName, value: message.encoded())
    }

    /// The message; nil when it has another type.
    public func unpack<M: WireMessage>(as type: M.Type) throws(WireError) -> M? {
        let name = typeURL.utf8.lastIndex(of: UInt8(ascii: "/")).map { typeURL[typeURL.index(after: $0)...] }
        guard let name, name == type.fullName else { return nil }
        return try M.decode(value)
    }
}

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
