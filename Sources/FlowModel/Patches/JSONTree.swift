/// A JSON value that can be changed. What is unchanged is a place in the document it came from and is spelled as it was there; only the
/// arrays and objects on the way to a change are opened.
struct JSONTree {
    /// An array or object, and the steps that opening it took.
    typealias Opened = (container: JSONContainer, cost: Int)

    /// nil once it is opened.
    private var value: JSONValue?
    private var container: JSONContainer?

    init(_ value: JSONValue) { self.value = value }

    init(_ container: JSONContainer) { self.container = container }

    var kind: JSONValue.Kind { container?.kind ?? value?.kind ?? .null }

    /// Where it came from, as long as it is as it was there.
    var origin: JSONValue? { value ?? container?.origin }

    /// The array or object that was opened.
    var opened: JSONContainer? { container }

    /// Bytes when written.
    var size: Int { container?.size ?? value?.size ?? 0 }

    /// Arrays and objects in each other; or more, as removals are not accounted for until `measureHeight`.
    var height: Int { container?.height ?? value?.height ?? 0 }

    /// Opens an array or object; if a copy shares it, this tree gets one of its own. nil for anything else.
    mutating func open() -> Opened? {
        if container != nil, !isKnownUniquelyReferenced(&container) {
            container = container?.copy()
            return container.map { ($0, $0.cost) }
        }
        if let container { return (container, 0) }
        guard let value, value.kind == .array || value.kind == .object else { return nil }
        let opened = JSONContainer(value)
        self.value = nil
        container = opened
        return (opened, opened.cost)
    }

    func write(to bytes: inout [UInt8]) {
        if let origin {
            bytes += origin.text
        } else {
            container?.write(to: &bytes)
        }
    }

    /// - Returns: the steps that it took.
    func measureHeight() -> Int { container?.measureHeight() ?? 0 }
}
