import FoundationEssentials
import HTTP2
import NIOCore

/// Custom metadata of a call (PROTOCOL-HTTP2.md, Custom-Metadata): keys may repeat, order is kept.
/// Values of keys that end in `-bin` are bytes, base64 on the wire.
public struct Metadata: Sendable, Equatable {
    private(set) var fields: [HeaderField]

    /// No fields.
    public init() { fields = [] }

    /// Takes over received fields, pseudo-header fields and reserved names included.
    init(received fields: [HeaderField]) { self.fields = fields }

    /// The first value under `key` (lower case).
    public subscript(key: String) -> String? {
        fields.first { $0.name == key }?.value
    }

    /// The first value under `key` (lower case), and whether there is another one that differs from it.
    public func single(_ key: String) -> (value: String?, isAmbiguous: Bool) {
        // In place: each call asks, and copying a field retains two strings. Lengths tell nearly all names apart.
        fields.withUnsafeBufferPointer { fields in
            let length = key.utf8.count
            var (first, isAmbiguous) = (Int?.none, false)
            for index in fields.indices where fields[index].name.utf8.count == length && fields[index].name == key {
                if let first { isAmbiguous = isAmbiguous || !fields[first].value.utf8.elementsEqual(fields[index].value.utf8) }
                first = first ?? index
            }
            return (first.map { fields[$0].value }, isAmbiguous)
        }
    }

    /// The first value of a `-bin` key as bytes: comma-separated values are as good as repeated keys, and
    /// padding may be missing. Nil where there is none or it is not base64.
    public func bytes(_ key: String) -> [UInt8]? {
        guard let first = self[key]?.split(separator: ",", omittingEmptySubsequences: false).first else { return nil }
        let padding = String(repeating: "=", count: (4 - first.utf8.count % 4) % 4)
        return Data(base64Encoded: first + padding).map { Array($0) }
    }

    /// Adds a text value, or under a `-bin` key its base64 text.
    public mutating func append(_ key: String, _ value: String) { fields.append(HeaderField(key, value)) }

    /// Adds bytes under a `-bin` key.
    public mutating func append(_ key: String, bytes: [UInt8]) {
        fields.append(HeaderField(key, Self.base64(bytes)))
    }

    static func base64(_ bytes: [UInt8]) -> String {
        let padded = Data(bytes).base64EncodedString()
        // "Implementations MUST accept padded and un-padded values and should emit un-padded values."
        // By bytes: characters would take ten times as long as all the rest.
        let padding = padded.utf8.suffix(2).count { $0 == UInt8(ascii: "=") }
        return String(padded.utf8.dropLast(padding)) ?? padded
    }
}

extension Status {
    /// Stock clients refuse trailer sections of more than 8 KiB; message (percent-encoded) and details (base64) together stay below that.
    private static let maxMessageBytes = 1_024
    /// Longer details are left out, so services keep theirs within it.
    public static let maxDetailsBytes = 3_072

    /// A message as it is sent: shortened if it is long.
    public static func short(_ message: String) -> String { message.shortened(toBytes: maxMessageBytes) }

    /// The trailer fields that carry this status.
    var trailers: [HeaderField] {
        var fields = [HeaderField("grpc-status", String(code.rawValue))]
        if !message.isEmpty { fields.append(HeaderField("grpc-message", PercentEncoding.encode(Self.short(message)))) }
        if !details.isEmpty, details.count <= Self.maxDetailsBytes {
            fields.append(HeaderField("grpc-status-details-bin", Metadata.base64(details)))
        }
        if let retryPushback { fields.append(HeaderField("grpc-retry-pushback-ms", String(retryPushback))) }
        return fields
    }

    /// Reads a status from trailers; nil where there is none.
    init?(trailers: Metadata) {
        guard let text = trailers["grpc-status"] else { return nil }
        let code = Int(text).flatMap(StatusCode.init(rawValue:)) ?? .unknown
        self.init(
            code, PercentEncoding.decode(trailers["grpc-message"] ?? ""),
            details: trailers.bytes("grpc-status-details-bin") ?? [],
            // "If this value is unparseable, it will be treated the same as a negative value": no retry.
            retryPushback: trailers["grpc-retry-pushback-ms"].map { Int64($0) ?? -1 })
    }

    /// The status of a response without `grpc-status`, by its HTTP status (doc/http-grpc-status-mapping.md).
    init(httpStatus: String) {
        let code: StatusCode =
            switch httpStatus {
            case "400": .internal
            case "401": .unauthenticated
            case "403": .permissionDenied
            case "404": .unimplemented
            case "429", "502", "503", "504": .unavailable
            default: .unknown
            }
        self.init(code, "the server answered HTTP \(httpStatus) without a gRPC status")
    }
}

extension String {
    private static let ellipsis = "…"

    /// The text itself, or the beginning of a longer one with `…` behind it: `limit` bytes of UTF-8 at most, never cut inside a character.
    /// Empty if there is not even room for the `…`.
    public func shortened(toBytes limit: Int) -> String {
        guard utf8.count > limit else { return self }
        let room = limit - Self.ellipsis.utf8.count
        guard room >= 0 else { return "" }
        var end = utf8.index(utf8.startIndex, offsetBy: room)
        // A byte of the form 10xxxxxx continues the character before it.
        while end > utf8.startIndex, utf8[end] & 0xC0 == 0x80 { end = utf8.index(before: end) }
        return String(self[..<end]) + Self.ellipsis
    }
}

/// `grpc-timeout` (PROTOCOL-HTTP2.md): up to eight digits and a unit.
enum Timeout {
    /// Nil when the text is not a timeout.
    static func parse(_ text: String) -> TimeAmount? {
        let bytes = text.utf8
        guard let unit = bytes.last, (2...9).contains(bytes.count) else { return nil }
        var value: Int64 = 0
        for digit in bytes.dropLast() {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            value = value * 10 + Int64(digit - UInt8(ascii: "0"))
        }
        // Eight digits of hours do not overflow 64 bits of seconds, but do so in nanoseconds.
        func amount(_ nanoseconds: Int64) -> TimeAmount {
            let (product, overflow) = value.multipliedReportingOverflow(by: nanoseconds)
            return .nanoseconds(overflow ? .max / 4 : min(product, .max / 4))
        }
        switch unit {
        case UInt8(ascii: "H"): return amount(3_600_000_000_000)
        case UInt8(ascii: "M"): return amount(60_000_000_000)
        case UInt8(ascii: "S"): return amount(1_000_000_000)
        case UInt8(ascii: "m"): return amount(1_000_000)
        case UInt8(ascii: "u"): return amount(1_000)
        case UInt8(ascii: "n"): return amount(1)
        default: return nil
        }
    }

    /// The finest unit that holds the amount in eight digits, rounded up.
    static func format(_ amount: TimeAmount) -> String {
        let nanoseconds = max(amount.nanoseconds, 1)
        for (unit, size) in [("n", 1), ("u", 1_000), ("m", 1_000_000), ("S", 1_000_000_000), ("M", 60_000_000_000)] {
            let value = (nanoseconds - 1) / Int64(size) + 1
            if value <= 99_999_999 { return "\(value)\(unit)" }
        }
        return "99999999H"
    }
}
