import FlowStateClient
import FlowTransfer
import MessageJSON
import Protobuf
import WireMessages

/// A value of a result, with its JSON and its text in a table's cell.
enum OutputValue: Sendable {
    case null
    /// A field of a message, or what looks like one.
    case field(MessageField)
    case record(Record)

    static func bool(_ value: Bool) -> Self { value.output }
    static func integer(_ value: Int64) -> Self { value.output }
    static func number(_ value: Double) -> Self { value.output }
    static func string(_ text: String) -> Self { text.output }
    static func bytes(_ bytes: [UInt8]) -> Self { bytes.output }
    static func strings(_ list: [String]) -> Self { list.output }
    static func map(_ map: StringMap) -> Self { map.output }
    static func time(_ time: Timestamp?) -> Self { time.output }
}

extension FieldConvertible {
    fileprivate var output: OutputValue { .field(MessageField("", fieldValue)) }
}

/// A JSON object: names and values, in this order.
struct Record: Sendable {
    typealias Field = (name: String, value: OutputValue)

    let fields: [Field]

    init(_ fields: [Field]) { self.fields = fields }

    /// A message: its fields with the contract's names and in its order.
    init(_ message: some WireMessage) { fields = message.fields.map { ($0.name, .field($0)) } }

    /// A definition with the size of its document instead of the document, which `definition get` prints.
    init(withoutDocument definition: FlowDefinition) {
        let fields = definition.fields.filter { $0.name != "document" }.map { ($0.name, OutputValue.field($0)) }
        self.init(fields + [("size_bytes", .integer(Int64(definition.document.count)))])
    }

    subscript(name: String) -> OutputValue { fields.first { $0.name == name }?.value ?? .null }

    /// On one line, without spaces.
    var json: String {
        "{" + fields.map { "\(OutputValue.quoted($0.name)):\($0.value.json)" }.joined(separator: ",") + "}"
    }
}

extension OutputValue {
    /// Fields of bytes whose content is JSON, as the contract says.
    private static let documents: Set = ["metadata", "details", "diff"]

    /// The proto3-JSON of messages as scripts like it: names as in the contract, every field in every answer, numbers as numbers,
    /// times that sort, and JSON documents as they are instead of in base64.
    private static let writer = {
        var writer = ProtoJSON()
        (writer.keepsNames, writer.writesDefaults, writer.writesNumbers, writer.writesSortableTimes) = (true, true, true, true)
        writer.embedded = { name, bytes in documents.contains(name) ? bytes.isEmpty ? "null" : JSONLayout.format(bytes, .compact) : nil }
        return writer
    }()

    /// The value as JSON text on one line, with nothing in it that a terminal would act on.
    var json: String {
        switch self {
        case .null: "null"
        // What is unsafe stands in strings only, where an escape means the same.
        case .field(let field): TerminalText.line(Self.writer.json(field.value, of: field.name))
        case .record(let record): record.json
        }
    }

    /// The record, or the fields of the message; nil for other values.
    var inner: Record? {
        switch self {
        case .record(let record): record
        case .field(let field): if case .message(let message) = field.value { Record(message) } else { nil }
        case .null: nil
        }
    }

    var isMessage: Bool { if case .field(let field) = self, case .message = field.value { true } else { false } }

    /// The value in one line of text for people; empty where there is none.
    var cell: String {
        switch self {
        case .null: ""
        case .field(let field): Self.cell(field) ?? (json == "null" ? "" : json)
        case .record: json
        }
    }

    private static func cell(_ field: MessageField) -> String? {
        guard case .bytes(let bytes) = field.value, !documents.contains(field.name) else { return cell(field.value) }
        return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Messages in lists are their fields in one line. nil: as in JSON.
    private static func cell(_ value: FieldValue) -> String? {
        switch value {
        case .absent: ""
        case .bool(let value): value ? "yes" : "no"
        case .string(let text): TerminalText.line(text)
        case .enumeration(_, let short, let number): number == 0 ? "" : short
        case .timestamp(let time): time.shortText
        case .duration(let duration): HumanText.duration(try? duration.duration(""))
        case .map(let map): TerminalText.line(map.map { "\($0.key)=\($0.value)" }.joined(separator: ","))
        case .list(let values):
            values.map { field(MessageField("", $0)).cell }.joined(separator: isOfMessages(values) ? "; " : ",")
        case .message(let message): message.fields.map { Self.field($0).cell }.filter { !$0.isEmpty }.joined(separator: " ")
        case .int64, .int32, .double, .bytes: nil
        }
    }

    private static func isOfMessages(_ values: [FieldValue]) -> Bool { if case .message? = values.first { true } else { false } }

    /// A JSON string (RFC 8259 §7).
    static func quoted(_ text: String) -> String { string(text).json }
}
