/// A JSON value that can be changed. Unchanged parts refer to the document they came from and keep its spelling; only the arrays and
/// objects on the way to a change are opened.
struct JSONTree {
    /// Two words: a large array that is opened has millions.
    private enum Content {
        case value(JSONValue)
        case container(JSONContainer)
        /// While it is being opened, or where an element was removed.
        case nothing
    }

    private var content: Content

    private init(_ content: Content) { self.content = content }

    init(_ value: JSONValue) { self.init(.value(value)) }

    init(_ container: JSONContainer) { self.init(.container(container)) }

    /// A placeholder, which no document contains.
    static var empty: JSONTree { JSONTree(.nothing) }

    private var value: JSONValue? { if case .value(let value) = content { value } else { nil } }

    /// The array or object that was opened.
    var opened: JSONContainer? { if case .container(let container) = content { container } else { nil } }

    var kind: JSONValue.Kind { opened?.kind ?? value?.kind ?? .null }

    /// The value in its document, as long as it is unchanged.
    var origin: JSONValue? { value ?? opened?.origin }

    /// Bytes when written.
    var size: Int { opened?.size ?? value?.size ?? 0 }

    /// The nesting of arrays and objects, or more: `measureHeight` accounts for removals.
    var height: Int { opened?.height ?? value?.height ?? 0 }

    /// Opens an array or object; if a copy shares it, this tree gets one of its own. Steps and memory are paid for first.
    ///
    /// - Returns: nil for any other value.
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
            // `container` is now this tree's only reference, as the check for uniqueness needs.
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
