/// A document to which operations are applied in order. After a refused operation it must be discarded.
struct PatchEditor {
    private typealias Reason = JSONPatchError.Reason

    private var root: JSONTree
    private let document: JSONDocument
    private let limits: PatchLimits
    private let budget: WorkBudget

    init(_ document: JSONDocument, limits: PatchLimits, _ budget: WorkBudget) {
        root = JSONTree(document.root)
        self.document = document
        self.limits = limits
        self.budget = budget
    }

    /// The current document; the original bytes when nothing was changed.
    func write() throws(WorkStopped) -> [UInt8] {
        if let origin = root.origin, origin.document === document, origin.index == 0 { return document.bytes }
        try budget.spend(bytes: root.size)
        try budget.take(bytes: root.size)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(root.size)
        root.write(to: &bytes)
        return bytes
    }

    mutating func apply(_ operation: JSONPatch.Operation) throws(JSONPatchError.Reason) {
        switch operation {
        case .add(let path, let value): try add(JSONTree(value), at: path)
        case .remove(let path): _ = try remove(at: path)
        case .replace(let path, let value): try replace(at: path, with: JSONTree(value))
        case .move(let from, let path): try move(from: from, to: path)
        case .copy(let from, let path): try add(value(at: from), at: path)
        case .test(let path, let value): try test(value, at: path)
        }
    }

    private mutating func test(_ expected: JSONValue, at path: PatchPath) throws(Reason) {
        let value = try value(at: path)
        let isEqual: Bool
        do throws(WorkStopped) {
            isEqual = try JSONComparison(budget).areEqual(value, expected)
        } catch {
            throw .stopped(error)
        }
        if !isEqual { throw .testFailed(path: path.description) }
    }

    /// A remove, then an add (RFC 6902 §4.4): the target is looked up after the removal.
    private mutating func move(from: PatchPath, to path: PatchPath) throws(Reason) {
        if from.isProperPrefix(of: path) { throw .moveIntoItself(from: from.description, path: path.description) }
        if from == path {
            _ = try value(at: path)
        } else {
            try add(remove(at: from), at: path)
        }
    }

    private mutating func add(_ value: JSONTree, at path: PatchPath) throws(Reason) {
        try checkDepth(of: value, at: path)
        guard let token = path.tokens.last else {
            root = value
            return try checkSize()
        }
        try change(path) { (container) throws(Reason) in
            guard container.kind == .array else { return container.set(token, key: JSONValue(string: token), value) }
            switch token.place {
            case .end: container.insert(value, at: container.count)
            case .index(let place) where place <= container.count: container.insert(value, at: place)
            case .index: throw .outOfBounds(path: path.description, count: container.count)
            case .invalid: throw .notAPlace(path: path.description)
            }
        }
        try checkSize()
    }

    private mutating func replace(at path: PatchPath, with value: JSONTree) throws(Reason) {
        try checkDepth(of: value, at: path)
        guard let token = path.tokens.last else {
            root = value
            return try checkSize()
        }
        try change(path) { (container) throws(Reason) in
            switch try Self.slot(path, path.tokens.count, in: container) {
            case .element(let place): container.replace(at: place, with: value)
            case .member: container.set(token, key: JSONValue(string: token), value)
            }
        }
        try checkSize()
    }

    private mutating func remove(at path: PatchPath) throws(Reason) -> JSONTree {
        if path.tokens.isEmpty { throw .rootRemoved }
        let budget = budget
        return try change(path) { (container) throws(Reason) in
            try Self.spend(container.removalCost, budget)
            let removed: JSONTree? =
                switch try Self.slot(path, path.tokens.count, in: container) {
                case .element(let place): container.remove(at: place)
                case .member(let name): container.remove(name)
                }
            guard let removed else { throw .notFound(path: path.description) }
            return removed
        }
    }
}

// MARK: - Resolving a path

extension PatchEditor {
    private enum Slot {
        case element(Int)
        case member(JSONName)
    }

    /// Looks up the last of a path's first tokens in the array or object to which the tokens before it lead.
    private static func slot(_ path: PatchPath, _ count: Int, in container: JSONContainer) throws(Reason) -> Slot {
        let token = path.tokens[count - 1]
        guard container.kind == .array else {
            guard container.members[token] != nil else { throw .notFound(path: path.prefix(count).description) }
            return .member(token)
        }
        switch token.place {
        case .index(let place) where place < container.count: return .element(place)
        case .index, .end: throw .outOfBounds(path: path.prefix(count).description, count: container.count)
        case .invalid: throw .notAPlace(path: path.prefix(count).description)
        }
    }

    /// The value at a path, for reading.
    private mutating func value(at path: PatchPath) throws(Reason) -> JSONTree {
        guard let container = try open(path).last else { return root }
        switch try Self.slot(path, path.tokens.count, in: container) {
        case .element(let place): return container.elements[place]
        case .member(let name):
            guard let value = container.members[name] else { throw .notFound(path: path.description) }
            return value
        }
    }

    /// Changes the array or object that contains the end of a path, and records the change in those around it.
    private mutating func change<Result>(
        _ path: PatchPath, _ body: (JSONContainer) throws(Reason) -> Result
    ) throws(Reason) -> Result {
        let containers = try open(path)
        guard var inner = containers.last else { throw .notFound(path: path.description) }
        var before = inner.size
        let result = try body(inner)
        for outer in containers.dropLast().reversed() {
            let outerBefore = outer.size
            outer.noteChange(growth: inner.size - before, height: inner.height)
            (inner, before) = (outer, outerBefore)
        }
        return result
    }

    /// The arrays and objects through which a path leads, the root first, without the value at its end.
    private mutating func open(_ path: PatchPath) throws(Reason) -> [JSONContainer] {
        var containers: [JSONContainer] = []
        for depth in path.tokens.indices {
            guard let opened = try open(path, depth, in: containers.last) else {
                throw .notAContainer(path: path.prefix(depth).description, try value(at: path.prefix(depth)).kind)
            }
            try spend(1 + opened.editCost)
            containers.append(opened)
        }
        return containers
    }

    /// - Parameter outer: contains the value to open; nil: that is the root.
    private mutating func open(_ path: PatchPath, _ depth: Int, in outer: JSONContainer?) throws(Reason) -> JSONContainer? {
        let slot = try outer.map { (outer) throws(Reason) in try Self.slot(path, depth, in: outer) }
        do throws(WorkStopped) {
            return switch slot {
            case .element(let place): try outer?.open(at: place, budget)
            case .member(let name): try outer?.open(name, budget)
            case nil: try root.open(budget)
            }
        } catch {
            throw .stopped(error)
        }
    }
}

// MARK: - Limits

extension PatchEditor {
    private func spend(_ steps: Int) throws(Reason) { try Self.spend(steps, budget) }

    private static func spend(_ steps: Int, _ budget: WorkBudget) throws(Reason) {
        do throws(WorkStopped) {
            try budget.spend(steps)
        } catch {
            throw .stopped(error)
        }
    }

    private func checkSize() throws(Reason) {
        if root.size > limits.resultBytes { throw .resultTooLarge(size: root.size, limit: limits.resultBytes) }
    }

    private mutating func checkDepth(of value: JSONTree, at path: PatchPath) throws(Reason) {
        if path.tokens.count + value.height <= limits.depth { return }
        try spend(value.measureHeight())
        if path.tokens.count + value.height > limits.depth { throw .resultTooDeep(limit: limits.depth) }
    }
}
