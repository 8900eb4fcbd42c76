/// A text from outside as what tells it apart from others: its bytes, as PostgreSQL and protobuf compare them. Swift's own `==` takes "é"
/// composed and decomposed for one text.
public struct Name: Sendable {
    public let text: String

    public init(_ text: String) { self.text = text }
}

extension Name: Hashable {
    public static func == (left: Name, right: Name) -> Bool { left.text.hasSameBytes(as: right.text) }

    public func hash(into hasher: inout Hasher) {
        text.hashBytes(into: &hasher)
        // As strings in sequences are hashed: ("a", "bc") and ("ab", "c") stay apart. No text in UTF-8 has this byte.
        hasher.combine(0xFF as UInt8)
    }
}

extension String {
    /// Whether both are the same bytes of UTF-8: what "the same" means for everything that comes from outside.
    public func hasSameBytes(as other: String) -> Bool {
        var (left, right) = (self, other)
        return left.withUTF8 { left in right.withUTF8 { right in left.elementsEqual(right) } }
    }

    func hashBytes(into hasher: inout Hasher) {
        var text = self
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

extension Sequence<String> {
    /// Whether one of them has the same bytes.
    public func containsBytes(of text: String) -> Bool { contains { $0.hasSameBytes(as: text) } }
}
