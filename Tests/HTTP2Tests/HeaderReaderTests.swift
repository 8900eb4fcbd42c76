import NIOCore
import Testing

@testable import HTTP2

/// The reader that remembers the last section must give what one without a memory would.
@Suite struct HeaderReaderTests {
    private static let names = ["x-trace", "user-agent", "grpc-timeout", "x-request", "flowstate-tenant", "cookie", "a-bin"]

    private func section(_ random: inout SplitMix64) -> [HeaderField] {
        let count = Int.random(in: 0...3, using: &random) == 0 ? Int.random(in: 30...50, using: &random) : 6
        return requestFields
            + (0..<Int.random(in: 0...count, using: &random)).map { index in
                // Half of the fields are the same as in other sections, at the same place.
                let isUsual = Bool.random(using: &random)
                let name = isUsual ? Self.names[index % Self.names.count] : Self.names.randomElement(using: &random) ?? ""
                let length = isUsual ? 20 : Int.random(in: 0...60, using: &random)
                return HeaderField(name, String(repeating: isUsual ? "v" : "w", count: length))
            }
    }

    @Test func sectionsComeAsTheyWereSent() throws {
        var random = SplitMix64(state: 17)
        let pair = try SessionPair()
        var sent: [StreamID: [HeaderField]] = [:]
        var trailers: [StreamID: [HeaderField]] = [:]
        for _ in 0..<600 {
            let fields = section(&random)
            let id = try pair.client.request(fields, endStream: false)
            sent[id] = fields
            trailers[id] = Array(section(&random).dropFirst(requestFields.count)) + [HeaderField("end", "1")]
            pair.client.finish(id, trailers: trailers[id])
            try pair.run()
            try pair.server.respond(id, [HeaderField(":status", "200")], endStream: true)
        }
        try pair.run()
        // Compared at the end: what was handed out must not change when the reader goes on.
        for event in pair.takeServerEvents() {
            switch event {
            case .headers(let id, let fields, _): #expect(sent.removeValue(forKey: id) == fields)
            case .trailers(let id, let fields): #expect(trailers.removeValue(forKey: id) == fields)
            default: break
            }
        }
        #expect(sent.isEmpty && trailers.isEmpty)
    }

    @Test func aSectionThatComesAgainIsTheSameMemory() throws {
        let pair = try SessionPair()
        let address = { (fields: [HeaderField]) in fields.withUnsafeBufferPointer { $0.baseAddress } }
        var seen: [[HeaderField]] = []
        for fields in [requestFields, requestFields, requestFields + [HeaderField("x", "y")], requestFields] {
            _ = try pair.client.request(fields, endStream: true)
            try pair.run()
            for case .headers(_, let fields, _) in pair.takeServerEvents() { seen.append(fields) }
        }
        try #require(seen.count == 4)
        #expect(address(seen[0]) == address(seen[1]))
        #expect(address(seen[1]) != address(seen[2]))
        #expect(seen[2].count == requestFields.count + 1 && seen[3] == requestFields)
    }

    @Test func aTooLargeSectionLeavesNothingBehind() throws {
        var settings = HTTP2Settings()
        settings.headerListBytes = 1_000
        let pair = try SessionPair(server: settings)
        let large = (0..<30).map { HeaderField("x-\($0)", "some value") }
        for fields in [requestFields, requestFields + large, requestFields + [HeaderField("x-0", "other")]] {
            let id = try pair.client.request(fields, endStream: true)
            try pair.run()
            let first = pair.takeServerEvents().first
            if fields.count > 20 {
                guard case .headersTooLarge(id, let beginning) = first else {
                    Issue.record("\(String(describing: first))")
                    continue
                }
                #expect(beginning.count > requestFields.count && beginning == Array(fields.prefix(beginning.count)))
            } else {
                #expect(first == .headers(id, fields, endStream: true))
            }
        }
    }

    /// Literal fields, byte by byte, in each of HPACK's three forms (RFC 7541 §6.2).
    @Test(arguments: [0x00, 0x10, 0x40] as [UInt8])
    func anyValueIsTaken(_ form: UInt8) throws {
        let values: [[UInt8]] = [[], Array("plain".utf8), [0xC3, 0xA9], [0xFF, 0x80, 0x41], Array(repeating: 0xFE, count: 126)]
        var wire = RawClient()
        for value in values + values.reversed() + [values[2], values[2]] {
            wire.request(form, [(Array("x".utf8), value), (Array("x".utf8), value)])
        }
        let server = try HTTP2Session(role: .server)
        try server.receive(wire.bytes)
        var expected = (values + values.reversed() + [values[2], values[2]]).map { String(decoding: $0, as: UTF8.self) }
        for case .headers(_, let fields, _) in server.takeEvents() {
            let value = expected.removeFirst()
            #expect(fields.suffix(2) == [HeaderField("x", value), HeaderField("x", value)])
        }
        #expect(expected.isEmpty)
    }

    /// Upper-case names are malformed (RFC 9113 §8.2); the request after such a one is read as ever.
    @Test func malformedRequestsDoNotDisturbTheNext() throws {
        var wire = RawClient()
        let good = (Array("x".utf8), Array("1".utf8))
        for name in ["x", "X", "x", "te", "x"] {
            wire.request(0, [good, (Array(name.utf8), Array(name == "te" ? "no\u{0}".utf8 : "2".utf8))])
        }
        let server = try HTTP2Session(role: .server)
        try server.receive(wire.bytes)
        var taken: [StreamID: [HeaderField]] = [:]
        for case .headers(let id, let fields, _) in server.takeEvents() { taken[id] = Array(fields.suffix(2)) }
        #expect(taken.keys.sorted() == [1, 5, 9])
        #expect(taken.values.allSatisfy { $0 == [HeaderField("x", "1"), HeaderField("x", "2")] })
    }
}

/// Writes a client's frames octet by octet, without Huffman coding.
private struct RawClient {
    private(set) var bytes: ByteBuffer
    private var next: StreamID = 1

    init() {
        bytes = ByteBuffer(string: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        bytes.writeBytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    }

    mutating func request(_ form: UInt8, _ fields: [([UInt8], [UInt8])]) {
        // ":method POST", ":scheme http", ":path /" of the static table, and its ":authority" with the value "a".
        var block: [UInt8] = [0x83, 0x86, 0x84, 0x01, 1, UInt8(ascii: "a")]
        for (name, value) in fields {
            block += [form, UInt8(name.count)] + name + [UInt8(value.count)] + value
        }
        bytes.writeBytes([0, UInt8(block.count >> 8), UInt8(block.count & 0xFF), 1, 0x5])
        bytes.writeInteger(next)
        bytes.writeBytes(block)
        next += 2
    }
}
