import TestSupport

@testable import JSON

/// A value by its meaning alone; a second opinion on what is equal, and what operations do (`ModelPatch`). Only of texts that `RandomJSON`
/// made, since it knows a number by the list.
indirect enum Model: Equatable {
    case null
    case boolean(Bool)
    case number(String)
    case string([UInt16])
    case array([Model])
    case object([[UInt16]: Model])

    init(_ value: JSONValue) {
        switch value.kind {
        case .null: self = .null
        case .boolean: self = .boolean(value.isTrue)
        case .number:
            let text = String(decoding: value.text, as: UTF8.self)
            self = .number(RandomJSON.numbers.first { $0.contains(text) }?.first ?? text)
        case .string: self = .string(JSONString.units(value.text))
        case .array: self = .array(value.elements.map { Model($0) })
        case .object:
            var members: [[UInt16]: Model] = [:]
            for member in value.members { members[JSONString.units(member.key.text)] = Model(member.value) }
            self = .object(members)
        }
    }
}
