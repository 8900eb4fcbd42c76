import FoundationEssentials
import JSON
import Protobuf

/// Messages as JSON text on one line, in the mapping that protobuf defines (protobuf.dev, "ProtoJSON Format"), which every protobuf library
/// reads.
package struct ProtoJSON: Sendable {
    /// Fields have the contract's names, such as `flow_id`, instead of `flowId`. Readers take both.
    package var keepsNames = false
    /// Fields with their default are written too; messages that are not set, and a `oneof` of one member, as null.
    package var writesDefaults = false
    /// Integers of 64 bits are numbers instead of strings. Readers take both, but those of JavaScript lose digits beyond 2^53.
    package var writesNumbers = false
    /// Times have six digits of a fraction at least, so that they can be sorted as text.
    package var writesSortableTimes = false
    /// JSON text that takes the place of a field of bytes, which is base64 otherwise. A departure from the mapping.
    package var embedded: @Sendable (_ field: String, _ bytes: [UInt8]) -> String? = { _, _ in nil }

    /// The types that a `google.protobuf.Any` may hold. One of another type is written with its bytes as `value`, which readers refuse.
    package var types: [any WireMessage.Type] = []

    package init() {}

    package func text(of message: some WireMessage) -> String {
        var text = JSONObjectText()
        if let any = message as? AnyMessage {
            text.add("@type", any.typeURL)
            if let held = types.lazy.compactMap({ try? any.unpack(as: $0) }).first {
                add(held, to: &text)
            } else {
                text.add("value", json: json(.bytes(any.value), of: "value"))
            }
        } else {
            add(message, to: &text)
        }
        return text.text
    }

    private func add(_ message: some WireMessage, to text: inout JSONObjectText) {
        for field in message.fields where writesDefaults || !field.isVoid {
            text.add(keepsNames ? field.name : Self.camelCase(field.name), json: json(field.value, of: field.name))
        }
    }

    /// - Parameter field: the name of the field, for `embedded`.
    package func json(_ value: FieldValue, of field: String) -> String {
        switch value {
        case .absent: return "null"
        case .bool(let value): return value ? "true" : "false"
        case .int64(let value): return writesNumbers ? String(value) : "\"\(value)\""
        case .int32(let value): return String(value)
        case .double(let value): return value.isFinite ? "\(value)" : value.isNaN ? "\"NaN\"" : value < 0 ? "\"-Infinity\"" : "\"Infinity\""
        case .string(let text): return Self.string(text)
        case .bytes(let bytes): return embedded(field, bytes) ?? "\"\(Data(bytes).base64EncodedString())\""
        case .enumeration(let name, _, let number): return name.map(Self.string) ?? String(number)
        case .timestamp(let time):
            let write = writesSortableTimes && time.nanos % 1_000 == 0 ? RFC3339.text : RFC3339.shortestText
            return "\"\(write(time.seconds, time.nanos))\""
        case .duration(let duration): return "\"\(Self.text(of: duration))\""
        case .message(let message): return text(of: message)
        case .list(let values): return "[" + values.map { json($0, of: field) }.joined(separator: ",") + "]"
        case .map(let map):
            var text = JSONObjectText()
            for entry in map { text.add(entry.key, entry.value) }
            return text.text
        }
    }

    private static func string(_ text: String) -> String {
        var spelled = ""
        JSONString.spell(text, to: &spelled)
        return spelled
    }

    /// `flow_id` → `flowId`, as protoc derives `json_name`.
    private static func camelCase(_ name: String) -> String {
        let (first, rest) = (name.prefix { $0 != "_" }, name.split(separator: "_").dropFirst())
        return first + rest.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }

    /// `3s`, `-0.250s`
    private static func text(of duration: ProtoDuration) -> String {
        let sign = duration.seconds < 0 || duration.nanos < 0 ? "-" : ""
        return "\(sign)\(duration.seconds.magnitude)\(RFC3339.fraction(Int64(duration.nanos.magnitude)))s"
    }
}
