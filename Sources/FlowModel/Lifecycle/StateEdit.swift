import JSON

/// Changes to a JSON state, collected and applied at once as a JSON Patch, so that what they do not touch keeps its spelling. Pure.
struct StateEdit {
    private let document: JSONDocument
    private let budget: WorkBudget
    private var operations: [String] = []
    /// Objects that the patch adds as parents.
    private var made: Set<JSONPointer> = []

    init(_ document: JSONDocument, _ budget: WorkBudget) {
        self.document = document
        self.budget = budget
    }

    private func present(at pointer: JSONPointer) throws(StateError) -> JSONValue? {
        try StateError.counting { () throws(WorkStopped) in try document.root.value(at: pointer, budget)?.unlessNull }
    }

    /// - Parameter value: JSON.
    mutating func set(_ pointer: JSONPointer, _ value: String) throws(StateError) {
        try makeParents(of: pointer)
        add(pointer, value)
    }

    mutating func set(_ pointer: JSONPointer, string: String) throws(StateError) {
        try set(pointer, String(decoding: JSONString.spell(string), as: UTF8.self))
    }

    /// Appends to an array, which is added if it is missing or null.
    mutating func append(_ pointer: JSONPointer, _ value: String) throws(StateError) {
        guard let array = try present(at: pointer) else { return try set(pointer, "[\(value)]") }
        guard array.kind == .array else { throw Self.notA("an array", pointer, array) }
        add(pointer.appending("-"), value)
    }

    private mutating func makeParents(of pointer: JSONPointer) throws(StateError) {
        var parent = JSONPointer.root
        for (token, next) in zip(pointer.tokens, pointer.tokens.dropFirst()) {
            parent = parent.appending(token)
            if made.contains(parent) { continue }
            if let value = try present(at: parent) {
                let isContainer = value.kind == .object || value.kind == .array && JSONPointer.place(next) != nil
                guard isContainer else { throw Self.notA("an object", parent, value) }
            } else {
                add(parent, "{}")
                made.insert(parent)
            }
        }
    }

    private mutating func add(_ pointer: JSONPointer, _ value: String) {
        let path = String(decoding: JSONString.spell(pointer.description), as: UTF8.self)
        operations.append(#"{"op":"add","path":\#(path),"value":\#(value)}"#)
    }

    private static func notA(_ kind: String, _ pointer: JSONPointer, _ value: JSONValue) -> StateError {
        .stateInvalid([
            Violation(
                path: pointer.description, rule: TypeRule.kind, message: "is \(value.kind.article) \(value.kind.name), not \(kind)")
        ])
    }

    /// The state's bytes after all changes.
    func applied(_ limits: Limits) throws(StateError) -> [UInt8] {
        if operations.isEmpty { return document.bytes }
        let patch = "[" + operations.joined(separator: ",") + "]"
        do {
            return try JSONPatch(Array(patch.utf8), limits: PatchLimits(limits), budget: budget).apply(to: document, budget: budget)
        } catch {
            switch error.reason {
            case .resultTooLarge(let size, let limit): throw .tooLarge(what: "state", size: size, limit: limit)
            case .stopped(let stopped): throw StateError(stopped)
            default: break
            }
            throw .stateInvalid([Violation(path: "", rule: "edit", message: "the state cannot be changed: \(error)")])
        }
    }
}
