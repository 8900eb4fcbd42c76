import FlowStateClient
import FlowTransfer
import WireMessages

/// A value of a result, with its JSON and its text in a table's cell.
enum OutputValue: Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case time(Timestamp?)
    /// Shown as hexadecimal digits.
    case digest([UInt8])
    case map(StringMap)
    case strings([String])
    /// JSON text from a client; printed as it is, or as a string when it is not JSON.
    case json([UInt8])
    case record(Record)
    case records([Record])
}

/// A JSON object: names and values, in this order.
struct Record: Sendable {
    typealias Field = (name: String, value: OutputValue)

    let fields: [Field]

    init(_ fields: [Field]) { self.fields = fields }

    subscript(name: String) -> OutputValue { fields.first { $0.name == name }?.value ?? .null }

    /// On one line, without spaces.
    var json: String {
        "{" + fields.map { "\(OutputValue.quoted($0.name)):\($0.value.json)" }.joined(separator: ",") + "}"
    }
}

extension OutputValue {
    /// The value as JSON text on one line, with nothing in it that a terminal would act on.
    var json: String {
        switch self {
        case .null, .time(nil): "null"
        case .bool(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .number(let value): value.isFinite ? "\(value)" : "null"
        case .string(let value): Self.quoted(value)
        case .time(let time?): Self.quoted(time.text)
        case .digest(let bytes): Self.quoted(Self.hexadecimal(bytes))
        case .map(let map):
            "{" + map.map { "\(Self.quoted($0.key)):\(Self.quoted($0.value))" }.joined(separator: ",") + "}"
        case .strings(let list): "[" + list.map(Self.quoted).joined(separator: ",") + "]"
        case .json([]): "null"
        case .json(let bytes):
            JSONLayout.format(bytes, .compact) ?? Self.quoted(String(decoding: bytes, as: UTF8.self))
        case .record(let record): record.json
        case .records(let records): "[" + records.map(\.json).joined(separator: ",") + "]"
        }
    }

    /// The value in one line of text for people; empty where there is none.
    var cell: String {
        switch self {
        case .null, .time(nil): ""
        case .bool(let value): value ? "yes" : "no"
        case .string(let value): TerminalText.line(value)
        case .time(let time?): time.shortText
        case .digest(let bytes): Self.hexadecimal(bytes)
        case .map(let map): TerminalText.line(map.map { "\($0.key)=\($0.value)" }.joined(separator: ","))
        case .strings(let list): TerminalText.line(list.joined(separator: ","))
        case .json([]): ""
        case .integer, .number, .json, .record, .records: json
        }
    }

    /// A JSON string (RFC 8259 §7).
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            if scalar == "\"" || scalar == "\\" {
                result += "\\"
                result.unicodeScalars.append(scalar)
            } else if TerminalText.isUnsafe(scalar) {
                result += TerminalText.jsonEscape(scalar)
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
