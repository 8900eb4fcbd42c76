import CNGHTTP2

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

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

/// A header or trailer section that many answers or requests share, laid out once so that nghttp2 reads it in place instead of copying it.
/// For constants of the program, in a `static let`: it is never freed.
///
/// `@unchecked Sendable`: the memory is written before the value is shared and does not change.
package struct StaticHeaders: @unchecked Sendable {
    /// "NGHTTP2_NV_FLAG_NO_COPY_NAME … the application must keep the reference to name"; the same for values.
    let pairs: UnsafeBufferPointer<nghttp2_nv>

    package init(_ fields: [HeaderField]) {
        let pairs = UnsafeMutableBufferPointer<nghttp2_nv>.allocate(capacity: fields.count)
        let flags = UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)
        for (index, field) in fields.enumerated() {
            let (name, value) = (Self.copy(field.name), Self.copy(field.value))
            pairs.initializeElement(
                at: index,
                to: nghttp2_nv(
                    name: name.baseAddress, value: value.baseAddress, namelen: name.count, valuelen: value.count, flags: flags))
        }
        self.pairs = UnsafeBufferPointer(pairs)
    }

    private static func copy(_ text: String) -> UnsafeMutableBufferPointer<UInt8> {
        let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: text.utf8.count)
        _ = copy.initialize(from: text.utf8)
        return copy
    }
}

/// Assembles a header section from the fields that nghttp2 decodes, one section at a time: the frames of two sections never interleave (RFC
/// 9113 §4.3).
///
/// Clients send nearly the same section with every request, so the last one is kept: a field that recurs at its place is recognised by
/// nghttp2's own buffers, without making Strings, and a section that recurs as a whole is the very same array. `capacity` bounds what is
/// kept.
final class HeaderReader {
    /// A field of the last section. Both buffers are retained here: nghttp2 says to "increment their reference counts" to keep them. A
    /// retained buffer is not freed, so its address is not reused.
    private struct Known {
        let name: OpaquePointer
        let value: OpaquePointer
        /// What the field counts against the limit (RFC 9113 §6.5.2).
        let size: Int
    }

    /// SETTINGS_MAX_HEADER_LIST_SIZE.
    private let limit: Int
    /// Holds the buffers, so it must outlive them.
    private let memory: SessionMemory
    /// Fields whose buffers are kept; the ones behind them are converted each time.
    private static let capacity = 32

    /// Owned by the reader; room for `capacity`, the first `knownCount` initialised.
    private let known = UnsafeMutablePointer<Known>.allocate(capacity: capacity)
    private var knownCount = 0
    /// The fields of the last section; those up to `count` also belong to the section being read.
    private var fields: [HeaderField] = []
    private var count = 0
    private var bytes = 0
    private var isTooLarge = false
    /// A section that is so many times larger than the limit is not read to its end: nghttp2 would check every octet of fields that a few
    /// bytes of HPACK repeat. The request of a smaller one can still be answered.
    private static let answerable = 4

    init(limit: Int, memory: SessionMemory) {
        self.limit = limit
        self.memory = memory
    }

    deinit {
        forget(from: 0)
        known.deallocate()
    }

    func begin() {
        count = 0
        bytes = 0
        isTooLarge = false
    }

    /// Takes one field; `name` and `value` are nghttp2's `nghttp2_rcbuf`.
    /// - Returns: false when the rest of the section should not be read.
    func add(name: OpaquePointer, value: OpaquePointer) -> Bool {
        guard !isTooLarge else {
            bytes += Self.size(name, value)
            return bytes <= Self.answerable * limit
        }
        if count < knownCount, Self.isSame(known[count].name, name), Self.isSame(known[count].value, value) {
            guard hasRoom(for: known[count].size) else { return true }
        } else {
            let (nameText, valueText) = (Self.text(name), Self.text(value))
            guard hasRoom(for: nameText.count + valueText.count + 32) else { return bytes <= Self.answerable * limit }
            let field = HeaderField(String(decoding: nameText, as: UTF8.self), String(decoding: valueText, as: UTF8.self))
            if count < fields.count { fields[count] = field } else { fields.append(field) }
            remember(name, value, field: count, size: nameText.count + valueText.count + 32)
        }
        count += 1
        return true
    }

    /// The complete section; nil when it was larger than the limit.
    func end() -> [HeaderField]? {
        if isTooLarge { return nil }
        if count < fields.count {
            fields.removeLast(fields.count - count)
            if count < knownCount { forget(from: count) }
        }
        return fields
    }

    /// The fields of a section that is too large, as far as they fit.
    var beginning: [HeaderField] { Array(fields.prefix(count)) }

    private func hasRoom(for size: Int) -> Bool {
        bytes += size
        if bytes > limit { isTooLarge = true }
        return !isTooLarge
    }

    private func remember(_ name: OpaquePointer, _ value: OpaquePointer, field index: Int, size: Int) {
        guard index < Self.capacity else { return }
        nghttp2_rcbuf_incref(name)
        nghttp2_rcbuf_incref(value)
        if index < knownCount { Self.release(known[index]) } else { knownCount += 1 }
        (known + index).initialize(to: Known(name: name, value: value, size: size))
    }

    private func forget(from start: Int) {
        for index in start..<knownCount { Self.release(known[index]) }
        knownCount = start
    }

    private static func release(_ field: Known) {
        nghttp2_rcbuf_decref(field.name)
        nghttp2_rcbuf_decref(field.value)
    }

    /// Whether the buffers are the same, as for a field of HPACK's tables, or hold the same octets.
    private static func isSame(_ one: OpaquePointer, _ other: OpaquePointer) -> Bool {
        if one == other { return true }
        let (octets, others) = (nghttp2_rcbuf_get_buf(one), nghttp2_rcbuf_get_buf(other))
        return octets.len == others.len && memcmp(octets.base, others.base, octets.len) == 0
    }

    private static func size(_ name: OpaquePointer, _ value: OpaquePointer) -> Int { text(name).count + text(value).count + 32 }

    /// The octets of a buffer, valid as long as the buffer is.
    private static func text(_ buffer: OpaquePointer) -> UnsafeBufferPointer<UInt8> {
        let octets = nghttp2_rcbuf_get_buf(buffer)
        return UnsafeBufferPointer(start: octets.base, count: octets.len)
    }
}
