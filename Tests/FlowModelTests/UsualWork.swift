@testable import FlowModel
@testable import JSON

// What tests compute when the work is not what they are about.

extension WorkBudget {
    static var usual: WorkBudget { WorkBudget(steps: Limits().work) }
}

extension DefinitionReader {
    static func read(_ document: [UInt8], limits: Limits) throws(StateError) -> FlowDefinition {
        try read(document, limits: limits, budget: WorkBudget(steps: limits.work))
    }

    /// What is wrong with a document.
    static func faults(_ document: String, limits: Limits = Limits()) -> [DocumentFault] {
        do {
            _ = try read(Array(document.utf8), limits: limits)
            return []
        } catch {
            return error.faults.isEmpty ? [DocumentFault(path: "", message: "\(error)")] : error.faults
        }
    }
}

extension StateError {
    /// Of a definition that is refused.
    var faults: [DocumentFault] {
        guard case .definitionInvalid(let faults, _) = self else { return [] }
        return faults
    }
}

extension StateValidator {
    func validate(_ state: [UInt8], depth: ValidationDepth = .complete) throws(StateError) -> ValidationReport {
        try validate(state, depth: depth, budget: .usual)
    }
}

extension FlowDefinition {
    func initialState(of flowID: String, at time: Timestamp, limits: Limits) throws(StateError) -> [UInt8]? {
        try initialState(of: flowID, at: time, limits: limits, budget: .usual)
    }

    func repaired(_ state: [UInt8], flowID: String, at time: Timestamp, limits: Limits) throws(StateError) -> [UInt8]? {
        try repaired(state, flowID: flowID, at: time, limits: limits, budget: .usual)
    }
}

extension LifecycleDecision {
    func next(_ snapshot: Snapshot, _ definition: FlowDefinition?, now: Timestamp, limits: Limits) throws(StateError) -> SaveCommand {
        try next(snapshot, definition, now: now, limits: limits, budget: .usual)
    }
}

extension StateEdit {
    init(_ document: JSONDocument) { self.init(document, .usual) }
}
