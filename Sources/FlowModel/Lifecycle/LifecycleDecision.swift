/// A step of a flow's life: decides whether it may be taken, and what the next version is. Pure.
public protocol LifecycleDecision: Sendable {
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
    public static var trigger: RecoveryTrigger { .step }

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

/// Builds the text of a JSON object.
struct JSONObjectText {
    private var members: [String] = []

    mutating func add(_ name: String, _ string: String) { add(name, json: String(decoding: JSONString.spell(string), as: UTF8.self)) }

    mutating func add(_ name: String, json: String) {
        members.append(String(decoding: JSONString.spell(name), as: UTF8.self) + ":" + json)
    }

    mutating func add(_ name: String, json: [UInt8]) { if !json.isEmpty { add(name, json: String(decoding: json, as: UTF8.self)) } }

    var text: String { "{" + members.joined(separator: ",") + "}" }
}
