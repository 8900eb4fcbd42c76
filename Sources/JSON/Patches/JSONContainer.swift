/// An array or object that was opened for a change or a look-up. It knows its size when written, so that a patch that makes it too large is
/// refused before that.
final class JSONContainer {
    let kind: JSONValue.Kind
    /// The value that was opened, until something in it is changed.
    private(set) var origin: JSONValue?
    /// Of an array.
    private(set) var elements: PieceTable<JSONTree>
    /// Of an object.
    private(set) var members: JSONMembers
    /// Bytes of the contents, without brackets and commas.
    private var contentSize: Int
    /// See `JSONTree.height`.
    private(set) var height: Int

    /// Opens a value of a document; steps and memory are paid for first.
    ///
    /// - Parameter value: an array or object.
    init(_ value: JSONValue, _ budget: WorkBudget) throws(WorkStopped) {
        let count = value.count
        try Self.pay(value.kind, count, budget)
        (kind, origin, height) = (value.kind, value, value.height)
        elements = PieceTable(
            value.elements.lazy.map { JSONTree($0) }, count: kind == .array ? count : 0, placeholder: .empty)
        members = JSONMembers(value, count: count)
        contentSize = elements.reduce(0) { $0 + $1.size } + members.reduce(0) { $0 + $1.size }
    }

    /// An empty object.
    init() {
        kind = .object
        (elements, members) = (PieceTable([], count: 0, placeholder: .empty), JSONMembers())
        (contentSize, height) = (0, 1)
    }

    private init(_ other: JSONContainer) {
        (kind, origin, elements, members) = (other.kind, other.origin, other.elements, other.members)
        (contentSize, height) = (other.contentSize, other.height)
    }

    /// A copy that can be changed by itself; steps and memory are paid for first.
    func copy(_ budget: WorkBudget) throws(WorkStopped) -> JSONContainer {
        try Self.pay(kind, count, budget)
        return JSONContainer(self)
    }

    /// Pays for opening or copying. Members cost more, since they are hashed.
    private static func pay(_ kind: JSONValue.Kind, _ count: Int, _ budget: WorkBudget) throws(WorkStopped) {
        try budget.spend(kind == .array ? count : 6 * count)
        try budget.take(bytes: kind == .array ? PieceTable<JSONTree>.memory(count) : JSONMembers.memory(count))
    }

    /// Makes room for so many more members.
    func reserve(_ more: Int, _ budget: WorkBudget) throws(WorkStopped) {
        try budget.take(bytes: JSONMembers.memory(more))
        members.reserve(more)
    }

    var count: Int { kind == .array ? elements.count : members.count }

    /// Steps to find, insert or remove one element or member.
    var editCost: Int { kind == .array ? 2 + elements.pieceCount / 64 : 2 }

    /// Additional steps to remove a member: all members of a repeated name are searched for.
    var removalCost: Int { members.hasRepeats ? members.count : 0 }

    var size: Int { origin?.size ?? 2 + contentSize + max(0, count - 1) }

    func write(to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: kind == .array ? "[" : "{"))
        let start = bytes.count
        for element in elements {
            if bytes.count > start { bytes.append(UInt8(ascii: ",")) }
            element.write(to: &bytes)
        }
        for member in members {
            if bytes.count > start { bytes.append(UInt8(ascii: ",")) }
            bytes += member.key.text
            bytes.append(UInt8(ascii: ":"))
            member.value.write(to: &bytes)
        }
        bytes.append(UInt8(ascii: kind == .array ? "]" : "}"))
    }

    /// - Returns: the steps that it took.
    func measureHeight() -> Int {
        if let origin {
            height = origin.height
            return 1
        }
        var (cost, highest) = (1, 0)
        func measure(_ child: JSONTree) {
            cost += 1 + child.measureHeight()
            highest = max(highest, child.height)
        }
        for element in elements { measure(element) }
        for member in members { measure(member.value) }
        height = highest + 1
        return cost
    }
}

// MARK: - Contents

extension JSONContainer {
    /// Opens an element; nil unless it is an array or object.
    ///
    /// - Parameter place: an index of an array, below its count.
    func open(at place: Int, _ budget: WorkBudget) throws(WorkStopped) -> JSONContainer? {
        try elements.update(at: place) { (element) throws(WorkStopped) in try element.open(budget) }
    }

    func open(_ name: JSONName, _ budget: WorkBudget) throws(WorkStopped) -> JSONContainer? { try members.open(name, budget) }

    /// Records that something in it was changed.
    ///
    /// - Parameters:
    ///   - growth: the growth of the contents in bytes.
    ///   - childHeight: the height of the new contents.
    func noteChange(growth: Int, height childHeight: Int = 0) {
        origin = nil
        contentSize += growth
        height = max(height, childHeight + 1)
    }

    /// - Parameter place: an index of an array, up to its count.
    func insert(_ value: JSONTree, at place: Int) {
        elements.insert(value, at: place)
        noteChange(growth: value.size, height: value.height)
    }

    /// - Parameter place: an index of an array, below its count.
    func replace(at place: Int, with value: JSONTree) {
        let oldSize = elements.update(at: place) { element in
            defer { element = value }
            return element.size
        }
        noteChange(growth: value.size - oldSize, height: value.height)
    }

    /// - Parameter place: an index of an array, below its count.
    func remove(at place: Int) -> JSONTree {
        let removed = elements.remove(at: place)
        noteChange(growth: -removed.size)
        return removed
    }

    /// Adds a member to an object, or replaces the value of the existing one.
    ///
    /// - Parameter key: the name as a new member is to spell it.
    func set(_ name: JSONName, key: JSONValue, _ value: JSONTree) {
        noteChange(growth: members.set(name, key: key, value), height: value.height)
    }

    /// - Returns: nil when an object has no such member.
    func remove(_ name: JSONName) -> JSONTree? {
        let removed = members.remove(name)
        guard let last = removed.last else { return nil }
        noteChange(growth: -removed.reduce(0) { $0 + $1.size })
        return last.value
    }
}
