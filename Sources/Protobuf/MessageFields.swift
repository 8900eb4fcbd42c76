/// A field of a message: its name in the contract, and its value.
public struct MessageField: Sendable {
    public let name: String
    public let value: FieldValue
    /// Whether the message tells apart a field that is not set from one that has its default: those of a `oneof`.
    public let hasPresence: Bool

    public init(_ name: String, _ value: FieldValue, hasPresence: Bool = false) {
        self.name = name
        self.value = value
        self.hasPresence = hasPresence
    }

    /// Whether it says nothing: it is not set, or proto3 would not encode it.
    package var isVoid: Bool { if case .absent = value { true } else { !hasPresence && value.isDefault } }
}

/// The value of a field, by which a message is shown without knowing its type.
public indirect enum FieldValue: Sendable {
    /// A message, or a `oneof` of one member, that is not set.
    case absent
    case bool(Bool)
    case int64(Int64)
    case int32(Int32)
    case double(Double)
    case string(String)
    case bytes([UInt8])
    /// - Parameters:
    ///   - name: as the contract has it, such as `FLOW_ORDER_UPDATED_DESC`; nil: a value that it does not know.
    ///   - short: without the prefix, in lower case.
    case enumeration(name: String?, short: String, number: Int32)
    case timestamp(Timestamp)
    case duration(ProtoDuration)
    case message(any WireMessage)
    case list([FieldValue])
    case map(StringMap)
}

extension FieldValue {
    fileprivate var isDefault: Bool {
        switch self {
        case .absent: true
        case .bool(let value): !value
        case .int64(let value): value == 0
        case .int32(let value): value == 0
        case .double(let value): value == 0 && value.sign == .plus
        case .string(let text): text.isEmpty
        case .bytes(let bytes): bytes.isEmpty
        case .enumeration(_, _, let number): number == 0
        case .timestamp, .duration, .message: false
        case .list(let values): values.isEmpty
        case .map(let map): map.isEmpty
        }
    }
}

extension WireMessage {
    /// What `visitFields` tells.
    package var fields: [MessageField] {
        var fields: [MessageField] = []
        visitFields { fields.append($0) }
        return fields
    }
}

/// A type of fields.
public protocol FieldConvertible {
    var fieldValue: FieldValue { get }
    /// The value of a repeated field.
    static func fieldValue(of list: [Self]) -> FieldValue
}

extension FieldConvertible {
    public static func fieldValue(of list: [Self]) -> FieldValue { .list(list.map(\.fieldValue)) }
}

/// An enum of the contract.
public protocol WireEnum: FieldConvertible, RawRepresentable, Sendable where RawValue == Int32 {
    /// The contract's name without its prefix, in lower case; of a value that it does not know the number.
    var name: String { get }
    /// The contract's name; nil for a value that it does not know.
    var contractName: String? { get }
}

extension WireEnum {
    public var fieldValue: FieldValue { .enumeration(name: contractName, short: name, number: rawValue) }
}

extension Bool: FieldConvertible {
    public var fieldValue: FieldValue { .bool(self) }
}

extension Int64: FieldConvertible {
    public var fieldValue: FieldValue { .int64(self) }
}

extension Int32: FieldConvertible {
    public var fieldValue: FieldValue { .int32(self) }
}

extension Double: FieldConvertible {
    public var fieldValue: FieldValue { .double(self) }
}

extension String: FieldConvertible {
    public var fieldValue: FieldValue { .string(self) }
}

/// A list of these is a field of type bytes.
extension UInt8: FieldConvertible {
    public var fieldValue: FieldValue { .int32(Int32(self)) }
    public static func fieldValue(of list: [UInt8]) -> FieldValue { .bytes(list) }
}

extension Duration: FieldConvertible {
    public var fieldValue: FieldValue { .duration(ProtoDuration(self)) }
}

extension StringMap: FieldConvertible {
    public var fieldValue: FieldValue { .map(self) }
}

extension Array: FieldConvertible where Element: FieldConvertible {
    public var fieldValue: FieldValue { Element.fieldValue(of: self) }
}

extension Optional: FieldConvertible where Wrapped: FieldConvertible {
    public var fieldValue: FieldValue { map(\.fieldValue) ?? .absent }
}
