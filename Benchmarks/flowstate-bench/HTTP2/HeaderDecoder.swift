import NIOCore

/// What a header section of an answer says.
enum HeaderSection: Equatable {
    /// `grpc-status` 0.
    case ok
    case refused(code: String, message: String?, details: String?)
    /// There is no `grpc-status`; what HTTP says.
    case noStatus(http: String?)
}

/// Decodes the header sections of one connection (RFC 7541), as far as an answer's status goes.
///
/// As a rule a section is a few indices into tables that stay as they are, the same bytes every time. What those mean is
/// remembered, so that most answers cost a comparison.
struct HeaderDecoder {
    enum Failure: Error { case malformed }

    private typealias Field = (name: String, value: String)

    /// Appendix A.
    private static let fixed: [Field] = """
        :authority|;:method|GET;:method|POST;:path|/;:path|/index.html;:scheme|http;:scheme|https;:status|200;\
        :status|204;:status|206;:status|304;:status|400;:status|404;:status|500;accept-charset|;\
        accept-encoding|gzip, deflate;accept-language|;accept-ranges|;accept|;access-control-allow-origin|;age|;allow|;\
        authorization|;cache-control|;content-disposition|;content-encoding|;content-language|;content-length|;\
        content-location|;content-range|;content-type|;cookie|;date|;etag|;expect|;expires|;from|;host|;if-match|;\
        if-modified-since|;if-none-match|;if-range|;if-unmodified-since|;last-modified|;link|;location|;max-forwards|;\
        proxy-authenticate|;proxy-authorization|;range|;referer|;refresh|;retry-after|;server|;set-cookie|;\
        strict-transport-security|;transfer-encoding|;user-agent|;vary|;via|;www-authenticate|
        """.split(separator: ";").map { entry in
            let end = entry.firstIndex(of: "|") ?? entry.endIndex
            return (String(entry[..<end]), String(entry[end...].dropFirst()))
        }
    /// SETTINGS_HEADER_TABLE_SIZE that nobody has changed.
    private static let tableBytes = 4_096
    private static let mostKnown = 8

    /// Newest first.
    private var table = CircularBuffer<Field>()
    private var size = 0
    private var limit = tableBytes
    private var known: [(block: [UInt8], section: HeaderSection)] = []

    mutating func decode(_ block: UnsafeRawBufferPointer) throws(Failure) -> HeaderSection {
        for entry in known where entry.block.count == block.count && block.elementsEqual(entry.block) { return entry.section }
        var rest = block[...]
        var http: String?
        var code: String?
        var message: String?
        var details: String?
        while let field = try next(&rest) {
            switch field.name {
            case ":status": http = field.value
            case "grpc-status": code = field.value
            case "grpc-message": message = field.value
            case "grpc-status-details-bin": details = field.value
            default: break
            }
        }
        let section: HeaderSection =
            switch code {
            case nil: .noStatus(http: http)
            case "0"?: .ok
            case let code?: .refused(code: code, message: message, details: details)
            }
        // Indices of one byte each, nothing else: such a block leaves the table as it is, and means the same until
        // another one changes it.
        if known.count < Self.mostKnown, block.allSatisfy({ $0 > 0x80 && $0 < 0xFF }) { known.append((Array(block), section)) }
        return section
    }

    /// The next field; what only changes the table is gone over (section 6).
    private mutating func next(_ rest: inout Slice<UnsafeRawBufferPointer>) throws(Failure) -> Field? {
        while let first = rest.first {
            if first & 0x80 != 0 { return try entry(Self.integer(&rest, bits: 7)) }
            if first & 0xE0 == 0x20 {
                limit = try Self.integer(&rest, bits: 5)
                guard limit <= Self.tableBytes else { throw .malformed }
                evict()
                continue
            }
            let isKept = first & 0xC0 == 0x40
            let index = try Self.integer(&rest, bits: isKept ? 6 : 4)
            let name = index == 0 ? try Self.text(&rest) : try entry(index).name
            let field = (name: name, value: try Self.text(&rest))
            if isKept {
                table.prepend(field)
                size += Self.size(field)
                evict()
            }
            return field
        }
        return nil
    }

    private mutating func evict() {
        known.removeAll(keepingCapacity: true)
        while size > limit, let last = table.popLast() { size -= Self.size(last) }
    }

    /// Section 4.1.
    private static func size(_ field: Field) -> Int { field.name.utf8.count + field.value.utf8.count + 32 }

    private func entry(_ index: Int) throws(Failure) -> Field {
        if index >= 1, index <= Self.fixed.count { return Self.fixed[index - 1] }
        let place = index - Self.fixed.count - 1
        guard place >= 0, place < table.count else { throw .malformed }
        return table[offset: place]
    }

    /// Section 5.1.
    private static func integer(_ rest: inout Slice<UnsafeRawBufferPointer>, bits: Int) throws(Failure) -> Int {
        let most = 1 << bits - 1
        guard let first = rest.popFirst() else { throw .malformed }
        var value = Int(first) & most
        guard value == most else { return value }
        for shift in stride(from: 0, through: 21, by: 7) {
            guard let byte = rest.popFirst() else { throw .malformed }
            value += Int(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw .malformed
    }

    /// Section 5.2.
    private static func text(_ rest: inout Slice<UnsafeRawBufferPointer>) throws(Failure) -> String {
        let isHuffman = rest.first.map { $0 & 0x80 != 0 } ?? false
        let count = try integer(&rest, bits: 7)
        guard count <= rest.count else { throw .malformed }
        let bytes = rest.prefix(count)
        rest = rest.dropFirst(count)
        guard isHuffman else { return String(decoding: bytes, as: UTF8.self) }
        guard let text = Huffman.code.decode(bytes) else { throw .malformed }
        return String(decoding: text, as: UTF8.self)
    }
}
