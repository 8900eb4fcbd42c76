import Protobuf
import TestSupport
import WireMessages

/// Makes random messages from protobuf-c's descriptors, in the one encoding that a deterministic encoder
/// gives: fields by number, no default values, map keys sorted. So encode(decode(bytes)) must be `bytes`.
struct RandomWire {
    var random: SeededGenerator
    /// Only what JSON has: timestamps within the years 1970 to 9999, and known messages in an `Any`.
    var isForJSON = false

    /// Field types by their numbers in protobuf-c.h (`ProtobufCType`). A string is `bytes` too, so bytes are
    /// always text here.
    private enum Kind: UInt32 {
        case int32 = 0, sint32 = 1, int64 = 3, double = 11, bool = 12, enumeration = 13, bytes = 15, message = 16
    }

    mutating func message(_ descriptor: UnsafePointer<MessageDescriptor>) -> [UInt8] {
        switch String(cString: descriptor.pointee.name) {
        case "google.protobuf.Duration": return duration()
        case "google.protobuf.Timestamp" where isForJSON: return timestamp()
        case "google.protobuf.Any" where isForJSON: return any()
        default: break
        }
        var result: [UInt8] = []
        var oneofsSeen: Set<UInt32> = []
        for index in 0..<Int(descriptor.pointee.n_fields) {
            let field = descriptor.pointee.fields[index]
            let isOneof = field.flags & 4 != 0  // PROTOBUF_C_FIELD_FLAG_ONEOF
            guard Bool.random(using: &random), let kind = Kind(rawValue: field.type.rawValue) else { continue }
            if isOneof && !oneofsSeen.insert(field.quantifier_offset).inserted { continue }
            let isRepeated = field.label.rawValue == 2
            let nested = field.descriptor?.assumingMemoryBound(to: MessageDescriptor.self)
            let count = isRepeated ? Int.random(in: 1...4, using: &random) : 1
            if isRepeated && (kind == .int32 || kind == .enumeration) {
                let values = (0..<count).flatMap { _ in value(kind, nonDefault: false) }
                result += tag(field.id, 2) + varint(UInt64(values.count)) + values
            } else if kind == .message, let nested, String(cString: nested.pointee.short_name) == "MapEntry" {
                for number in 0..<count { result += mapEntry(field.id, key: "key\(number)") }
            } else {
                for _ in 0..<count {
                    let isLengthDelimited = kind == .bytes || kind == .message
                    result += tag(field.id, kind == .double ? 1 : isLengthDelimited ? 2 : 0)
                    if kind == .message, let nested {
                        let inner = message(nested)
                        result += varint(UInt64(inner.count)) + inner
                    } else {
                        result += value(kind, nonDefault: !isRepeated && !isOneof)
                    }
                }
            }
        }
        return result
    }

    /// Within protobuf's range: it is shown as a Swift Duration, which has one form for one length of time.
    private mutating func duration() -> [UInt8] {
        let seconds = varint(UInt64.random(in: 1...315_576_000_000, using: &random))
        return tag(1, 0) + seconds + tag(2, 0) + varint(UInt64.random(in: 1...999_999_999, using: &random))
    }

    private mutating func timestamp() -> [UInt8] {
        let nanos = [1, 1_000, 1_000_000].randomElement(using: &random) ?? 1
        return tag(1, 0) + varint(UInt64.random(in: 1...253_402_300_799, using: &random)) + tag(2, 0)
            + varint(UInt64.random(in: 1...999, using: &random) * UInt64(nanos))
    }

    private mutating func any() -> [UInt8] {
        AnyMessage(packing: CheckpointSpec(name: "\(Int.random(in: 0...9, using: &random))", description: "é")).encoded()
    }

    private mutating func mapEntry(_ id: UInt32, key: String) -> [UInt8] {
        let text = text(atLeast: 1)
        let entry = tag(1, 2) + varint(UInt64(key.utf8.count)) + key.utf8 + tag(2, 2) + varint(UInt64(text.count)) + text
        return tag(id, 2) + varint(UInt64(entry.count)) + entry
    }

    private mutating func value(_ kind: Kind, nonDefault: Bool) -> [UInt8] {
        switch kind {
        case .bool: return [nonDefault ? 1 : UInt8.random(in: 0...1, using: &random)]
        case .double: return (1...8).map { _ in UInt8.random(in: 1...120, using: &random) }
        case .bytes:
            let text = text(atLeast: nonDefault ? 1 : 0)
            return varint(UInt64(text.count)) + text
        case .sint32: return varint(UInt64(UInt32.random(in: 1 ... .max, using: &random)))
        case .int64: return varint(UInt64.random(in: 1 ... .max, using: &random))
        case .int32, .enumeration:  // negative ones are sign-extended; enums may have unknown values
            let magnitude = Int32.random(in: 1...(Bool.random(using: &random) ? 5 : .max), using: &random)
            return varint(UInt64(bitPattern: Int64(Bool.random(using: &random) ? magnitude : -magnitude)))
        case .message: return []
        }
    }

    private mutating func text(atLeast minimum: Int) -> [UInt8] {
        let alphabet: [Unicode.Scalar] = ["a", "Z", " ", "\0", "\"", "é", "ß", "漢", "🦀", "\u{FFFD}", "\u{10FFFF}"]
        let scalars = (0..<Int.random(in: minimum...12, using: &random)).map { _ in
            alphabet.randomElement(using: &random) ?? "a"
        }
        return scalars.flatMap { Array(String($0).utf8) }
    }

    private func tag(_ number: UInt32, _ wireType: UInt64) -> [UInt8] { varint(UInt64(number) << 3 | wireType) }

    private func varint(_ value: UInt64) -> [UInt8] {
        var rest = value
        var result: [UInt8] = []
        while rest >= 0x80 {
            result.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return result + [UInt8(rest)]
    }
}
