/// One field of a header or trailer section (RFC 9113 §8.1), pseudo-header fields included.
///
/// Names are lower case on the wire (§8.2); nghttp2 refuses others. A received value that is not
/// UTF-8 is repaired with U+FFFD, as gRPC allows ASCII only.
package struct HeaderField: Sendable, Equatable {
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }

    /// What the field counts against SETTINGS_MAX_HEADER_LIST_SIZE: its octets and 32 (RFC 9113 §6.5.2).
    package var size: Int { name.utf8.count + value.utf8.count + 32 }
}

/// A stream identifier (RFC 9113 §5.1.1): odd when the client opened it.
package typealias StreamID = Int32
