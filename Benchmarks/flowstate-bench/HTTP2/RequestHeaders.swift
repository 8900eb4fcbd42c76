import NIOCore

/// Encodes the header sections of one connection's requests (RFC 7541): what a method's first request puts into the
/// server's table the later ones name by an index, so that their sections are the same bytes every time.
struct RequestHeaders {
    private typealias Field = (name: String, value: String)

    /// Entries of the fixed table (Appendix A) that are a whole field, and those of which only the name fits.
    private static let wholeFields = [":method": 3, ":scheme": 6]
    private static let names = [":authority": 1, ":path": 4, "content-type": 31, "user-agent": 58]
    private static let fixedEntries = 61

    private let fields: [[Field]]
    /// False once the server wants a smaller table than everyone begins with, or all fields do not fit in it.
    private var isIndexing: Bool
    private var mustEmptyTable = false
    /// Names and values in the server's table, the oldest first; they never outgrow it.
    private var table: [String] = []
    /// By method: the section, once all of its fields are in the table.
    private var blocks: [[UInt8]?]
    private var blocksTable = 0

    static let tableBytes = 4_096

    init(authority: String, tenant: String) {
        fields = Method.allCases.map { method in
            [
                (":method", "POST"), (":scheme", "http"), (":path", method.path), (":authority", authority), ("te", "trailers"),
                ("content-type", "application/grpc"), ("user-agent", "flowstate-bench"), ("flowstate-tenant", tenant),
                ("flowstate-actor", "flowstate-bench"),
            ]
        }
        blocks = fields.map { _ in nil }
        let bytes = fields.joined().reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 32 }
        // More than the entries need, since fields that all methods share are counted for each.
        isIndexing = bytes <= Self.tableBytes
    }

    /// The server's table is smaller than 4,096 bytes: it is emptied (section 4.2), and nothing is put into it any more.
    mutating func stopIndexing() {
        guard isIndexing else { return }
        isIndexing = false
        mustEmptyTable = true
        blocks = fields.map { _ in nil }
    }

    /// The section of the next request.
    mutating func block(_ method: Method) -> [UInt8] {
        if let block = blocks[method.rawValue], blocksTable == table.count { return block }
        var block: [UInt8] = []
        if mustEmptyTable { block.append(0x20) }
        let before = table.count
        for field in fields[method.rawValue] { write(field, &block) }
        if table.count == before, !mustEmptyTable {
            if blocksTable != before { blocks = fields.map { _ in nil } }
            blocksTable = before
            blocks[method.rawValue] = block
        }
        mustEmptyTable = false
        return block
    }

    private mutating func write(_ field: Field, _ block: inout [UInt8]) {
        let entry = field.name + ": " + field.value
        if let index = Self.wholeFields[field.name] { return Self.write(index, bits: 7, flags: 0x80, &block) }
        if isIndexing, let place = table.firstIndex(of: entry) {
            return Self.write(Self.fixedEntries + table.count - place, bits: 7, flags: 0x80, &block)
        }
        let name = Self.names[field.name]
        Self.write(name ?? 0, bits: isIndexing ? 6 : 4, flags: isIndexing ? 0x40 : 0, &block)
        if name == nil { Self.write(field.name, &block) }
        Self.write(field.value, &block)
        if isIndexing { table.append(entry) }
    }

    /// Section 5.1.
    private static func write(_ value: Int, bits: Int, flags: UInt8, _ block: inout [UInt8]) {
        let most = 1 << bits - 1
        guard value >= most else { return block.append(flags | UInt8(value)) }
        block.append(flags | UInt8(most))
        var rest = value - most
        while rest >= 0x80 {
            block.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        block.append(UInt8(rest))
    }

    /// Section 5.2, without Huffman's code.
    private static func write(_ text: String, _ block: inout [UInt8]) {
        write(text.utf8.count, bits: 7, flags: 0, &block)
        block += text.utf8
    }
}
