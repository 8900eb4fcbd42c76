import JSON

/// A step of a flow's life: decides whether it may be taken, and what the next version is. Pure.
package protocol LifecycleDecision: Sendable {
    var request: LifecycleRequest { get }
    /// The step's name in idempotency records.
    static var operation: String { get }
    /// The recovery trigger when the step meets a broken state.
    static var trigger: RecoveryTrigger { get }
    /// Everything that the client asked for, for idempotency records.
    var content: [[UInt8]] { get }

    /// Checks what can be checked without the flow.
    func check(limits: Limits) throws(StateError)
    func next(
        _ snapshot: Snapshot, _ definition: FlowDefinition?, now: Timestamp, limits: Limits, budget: WorkBudget
    ) throws(StateError) -> SaveCommand
}

extension LifecycleDecision {
    package static var trigger: RecoveryTrigger { .step }

    static func checkText(_ text: String, _ field: String, _ maximum: Int) throws(StateError) {
        if text.utf8.count > maximum {
            throw .invalidArgument(field: field, message: "is \(text.utf8.count) bytes, the limit is \(maximum)")
        }
    }

    static func checkJSON(_ text: [UInt8], _ field: String, _ maximum: Int, _ limits: Limits) throws(StateError) {
        if text.count > maximum { throw .tooLarge(what: field, size: text.count, limit: maximum) }
        guard !text.isEmpty, let fault = JSONText.fault(in: text, maximumDepth: limits.jsonDepth) else { return }
        throw .invalidArgument(field: field, message: "must be JSON or empty: \(fault)")
    }
}
