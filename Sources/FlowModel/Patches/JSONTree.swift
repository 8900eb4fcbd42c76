/// A JSON value that can be changed. What is unchanged is a place in the document it came from and is spelled as it was there; only the
/// arrays and objects on the way to a change are opened.
struct JSONTree {
    /// Two words: a large array that is opened has millions.
    private enum Content {
        case value(JSONValue)
        case container(JSONContainer)
        /// While it is being opened, or where something was taken away.
        case nothing
    }

    private var content: Content

    private init(_ content: Content) { self.content = content }

    init(_ value: JSONValue) { self.init(.value(value)) }

    init(_ container: JSONContainer) { self.init(.container(container)) }

    /// Nothing at all; it stands in no document.
    static var empty: JSONTree { JSONTree(.nothing) }

    private var value: JSONValue? { if case .value(let value) = content { value } else { nil } }

    /// The array or object that was opened.
    var opened: JSONContainer? { if case .container(let container) = content { container } else { nil } }

    var kind: JSONValue.Kind { opened?.kind ?? value?.kind ?? .null }

    /// Where it came from, as long as it is as it was there.
    var origin: JSONValue? { value ?? opened?.origin }

    /// Bytes when written.
    var size: Int { opened?.size ?? value?.size ?? 0 }

    /// Arrays and objects in each other; or more, as removals are not accounted for until `measureHeight`.
    var height: Int { opened?.height ?? value?.height ?? 0 }

    /// Opens an array or object; if a copy shares it, this tree gets one of its own. Its steps and its memory are paid for first.
    ///
    /// - Returns: nil for anything else.
    mutating func open(_ budget: WorkBudget) throws(WorkStopped) -> JSONContainer? {
        switch content {
        case .nothing: return nil
        case .value(let value):
            guard value.kind == .array || value.kind == .object else { return nil }
            let opened = try JSONContainer(value, budget)
            content = .container(opened)
            return opened
        case .container(var container):
            content = .nothing
            // What counts the references is in `container` alone.
            defer { content = .container(container) }
            if !isKnownUniquelyReferenced(&container) { container = try container.copy(budget) }
            return container
        }
    }

    func write(to bytes: inout [UInt8]) {
        if let origin {
            bytes += origin.text
        } else {
            opened?.write(to: &bytes)
        }
    }

    /// - Returns: the steps that it took.
    func measureHeight() -> Int { opened?.measureHeight() ?? 0 }
}
