import Glibc

/// A text from outside, compared by its bytes, as PostgreSQL and protobuf do. Swift's own `==` takes "é" composed and decomposed for one
/// text.
package struct Name: Sendable {
    package let text: String

    package init(_ text: String) { self.text = text }
}

extension Name: Hashable {
    package static func == (left: Name, right: Name) -> Bool { left.text.hasSameBytes(as: right.text) }

    package func hash(into hasher: inout Hasher) {
        text.hashBytes(into: &hasher)
        // A terminator, as Swift hashes strings: ("a", "bc") and ("ab", "c") stay apart. UTF-8 never contains this byte.
        hasher.combine(0xFF as UInt8)
    }
}

extension String {
    /// Whether both have the same bytes of UTF-8, by which everything from outside is compared.
    package func hasSameBytes(as other: String) -> Bool {
        var (left, right) = (self, other)
        return left.withUTF8 { left in
            right.withUTF8 { right in
                guard left.count == right.count, let one = left.baseAddress, let other = right.baseAddress else {
                    return left.count == right.count
                }
                return memcmp(one, other, left.count) == 0
            }
        }
    }

    package func hashBytes(into hasher: inout Hasher) {
        var text = self
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

extension Sequence<String> {
    /// Whether one of them has the same bytes.
    package func containsBytes(of text: String) -> Bool { contains { $0.hasSameBytes(as: text) } }
}

extension String {
    /// A prefix of at most so many bytes, cut where a scalar ends.
    package func prefixed(_ bytes: Int) -> String {
        if utf8.count <= bytes { return self }
        var end = utf8.index(startIndex, offsetBy: max(0, bytes))
        while end > startIndex, utf8[end] & 0xC0 == 0x80 { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}
