/// Puts one place of a broken state right.
public struct Repair: Sendable {
    enum Value: Sendable {
        /// JSON.
        case constant(JSONValue)
        /// What stands at the first of these places that has something.
        case from([JSONPointer])
        /// The flow's id.
        case id
        /// The time of the repair.
        case now
    }

    let path: JSONPointer
    let value: Value

    /// `{"path": …, "value": …}`, or in place of a value `"from": [pointers]`, `"set": "id"` or `"set": "now"`.
    static func read(_ object: JSONValue, at place: JSONPointer) -> (repair: Repair?, faults: [DefinitionFault]) {
        var reader = ObjectReader(object, at: place)
        let path = reader.place("path", isRequired: true)
        var values: [Value] = []
        if object["value"] != nil {
            _ = reader.value("value")
            if let constant = object["value"] { values.append(.constant(constant)) }
        }
        if let from = reader.strings("from") {
            let pointers = from.map { JSONPointer($0) }
            if pointers.contains(where: { $0 == nil }) { reader.fault("from", "has something that is no JSON Pointer") }
            values.append(.from(pointers.compactMap { $0 }))
        }
        switch reader.string("set", isRequired: false) {
        case nil: break
        case "id": values.append(.id)
        case "now": values.append(.now)
        case let other?: reader.fault("set", "is \"\(other)\"; use id or now")
        }
        if values.count != 1 { reader.fault("", "give one of value, from and set") }
        reader.finish()
        guard let path, let value = values.first else { return (nil, reader.faults) }
        return (Repair(path: path, value: value), reader.faults)
    }

    /// The value's JSON; nil: there is nothing to put there.
    func text(_ root: JSONValue, flowID: String, at time: Timestamp) -> String? {
        switch value {
        case .constant(let constant): String(decoding: constant.text, as: UTF8.self)
        case .from(let places):
            places.lazy.compactMap { root[$0]?.unlessNull }.first.map { String(decoding: $0.text, as: UTF8.self) }
        case .id: String(decoding: JSONString.spell(flowID), as: UTF8.self)
        case .now: String(decoding: JSONString.spell(RFC3339Text.text(time)), as: UTF8.self)
        }
    }
}

extension FlowDefinition {
    /// The state with every place put right that is missing, or in which a rule is broken. nil when it is no JSON object, or repairs cannot
    /// make it valid.
    public func repaired(
        _ state: [UInt8], flowID: String, at time: Timestamp, limits: Limits, depth: ValidationDepth = .complete
    ) -> [UInt8]? {
        let document = try? JSONDocument(state, maximumDepth: limits.jsonDepth)
        guard let document, document.root.kind == .object, !repairs.isEmpty else { return nil }
        let validator = StateValidator(self, limits: limits)
        let broken = validator.validate(document, depth: depth).violations.map(\.path)
        var edit = StateEdit(document)
        for repair in repairs {
            let place = repair.path.description
            let isBroken = broken.contains { $0 == place || $0.hasPrefix(place + "/") }
            guard isBroken || document.root[repair.path]?.unlessNull == nil else { continue }
            guard let text = repair.text(document.root, flowID: flowID, at: time) else { continue }
            do throws(StateError) {
                try edit.set(repair.path, text)
            } catch {
                return nil
            }
        }
        guard let result = try? edit.applied(limits), validator.validate(result, depth: depth).isValid else { return nil }
        return result
    }
}
