import JSON

extension FlowDefinition {
    /// The definition's initial state with the flow's id and the time at their paths; nil when the definition has none.
    package func initialState(of flowID: String, at time: Timestamp, limits: Limits, budget: WorkBudget) throws(StateError) -> [UInt8]? {
        guard let initialState else { return nil }
        var edit = StateEdit(initialState, budget)
        if let pointer = paths.id { try edit.set(pointer, string: flowID) }
        for pointer in [paths.created, paths.updated] {
            if let pointer { try edit.set(pointer, string: time.text) }
        }
        return try edit.applied(limits)
    }
}
