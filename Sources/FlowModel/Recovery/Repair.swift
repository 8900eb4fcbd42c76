import JSON

/// Repairs one place of a broken state.
package struct Repair: Sendable {
    enum Value: Sendable {
        /// JSON.
        case constant(JSONValue)
        /// The value at the first of these places that has one.
        case from([JSONPointer])
        /// The flow's id.
        case id
        /// The time of the repair.
        case now
    }

    let path: JSONPointer
    let value: Value

    /// `{"path": …, "value": …}`, or in place of a value `"from": [pointers]`, `"set": "id"` or `"set": "now"`.
    static func read(_ object: JSONValue, at place: JSONPointer) -> (repair: Repair?, faults: FaultList) {
        var reader = ObjectReader(object, at: place)
        let path = reader.place("path", isRequired: true)
        var values: [Value] = []
        if object["value"] != nil {
            _ = reader.value("value")
            if let constant = object["value"] { values.append(.constant(constant)) }
        }
        if let from = reader.strings("from") {
            let pointers = from.map { JSONPointer($0) }
            if pointers.contains(where: { $0 == nil }) { reader.fault("from", "contains something that is not a JSON Pointer") }
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

    /// The value's JSON; nil: there is no value.
    func text(_ root: JSONValue, flowID: String, at time: Timestamp, _ budget: WorkBudget) throws(WorkStopped) -> String? {
        switch value {
        case .constant(let constant): return try Self.text(constant, budget)
        case .from(let places):
            for place in places {
                if let value = try root.value(at: place, budget)?.unlessNull { return try Self.text(value, budget) }
            }
            return nil
        case .id: return String(decoding: JSONString.spell(flowID), as: UTF8.self)
        case .now: return String(decoding: JSONString.spell(time.text), as: UTF8.self)
        }
    }

    private static func text(_ value: JSONValue, _ budget: WorkBudget) throws(WorkStopped) -> String {
        try budget.spend(bytes: value.size)
        return String(decoding: value.text, as: UTF8.self)
    }
}

extension FlowDefinition {
    /// The state after repairing every place that is missing or breaks a rule. nil when it is not a JSON object, or repairs cannot make it
    /// valid.
    ///
    /// - Throws: why the work was stopped.
    package func repaired(
        _ state: [UInt8], flowID: String, at time: Timestamp, limits: Limits, depth: ValidationDepth = .complete, budget: WorkBudget
    ) throws(StateError) -> [UInt8]? {
        if repairs.isEmpty { return nil }
        let parsed = try StateError.counting { () throws(WorkStopped) in
            try JSONDocument.parse(state, maximumDepth: limits.jsonDepth, budget)
        }
        guard let document = parsed.value, document.root.kind == .object else { return nil }
        let validator = StateValidator(self, limits: limits)
        let broken = try validator.validate(document, depth: depth, budget: budget).violations.map { Array($0.path.utf8) }
        return try edited { () throws(StateError) in
            var edit = StateEdit(document, budget)
            for repair in repairs {
                let text = try StateError.counting { () throws(WorkStopped) in
                    try repair.isNeeded(document.root, broken, budget)
                        ? try repair.text(document.root, flowID: flowID, at: time, budget) : nil
                }
                if let text { try edit.set(repair.path, text) }
            }
            let result = try edit.applied(limits)
            return try validator.validate(result, depth: depth, budget: budget).isValid ? result : nil
        }
    }

    /// The result of edits; nil when the state or the limits do not allow them.
    func edited(_ body: () throws(StateError) -> [UInt8]?) throws(StateError) -> [UInt8]? {
        do throws(StateError) {
            return try body()
        } catch {
            switch error {
            case .stateInvalid, .tooLarge: return nil
            default: throw error
            }
        }
    }
}

extension Repair {
    /// - Parameter broken: the places that break rules, as spelled pointers.
    fileprivate func isNeeded(_ root: JSONValue, _ broken: [[UInt8]], _ budget: WorkBudget) throws(WorkStopped) -> Bool {
        let place = Array(path.description.utf8)
        for other in broken {
            try budget.spend(1 + place.count / 16)
            guard other.starts(with: place) else { continue }
            if other.count == place.count || other[place.count] == UInt8(ascii: "/") { return true }
        }
        return try root.value(at: path, budget)?.unlessNull == nil
    }
}
