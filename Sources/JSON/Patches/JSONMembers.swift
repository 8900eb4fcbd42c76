/// The members of an object that is being changed: in order, and found by name. Of a repeated name the last member counts; the others stay
/// as they are until the name is removed.
struct JSONMembers {
    struct Member {
        /// A string, as it is spelled.
        let key: JSONValue
        var value: JSONTree

        /// Bytes when written; the colon counts.
        var size: Int { key.size + 1 + value.size }
    }

    /// nil where a member was removed, so that the others keep their places.
    private var slots: [Member?] = []
    /// Indexes in `slots` of the last member of each name.
    private var places = PlaceTable(room: 0)
    /// The number of different names.
    private var names = 0
    private(set) var count = 0

    /// Whether a name is repeated.
    var hasRepeats: Bool { count > names }

    init() {}

    /// - Parameters:
    ///   - object: any other value has no members.
    ///   - count: the number of its members.
    init(_ object: JSONValue, count: Int) {
        reserve(count)
        for member in object.members { append(Member(key: member.key, value: JSONTree(member.value))) }
    }

    /// The memory of so many members in bytes, with room for those that a patch may add.
    static func memory(_ count: Int) -> Int {
        (count + spare(count)) * MemoryLayout<Member?>.stride + PlaceTable.memory(room: count + spare(count))
    }

    /// Hardly any patch has more operations.
    private static func spare(_ count: Int) -> Int { Swift.min(count, 16 << 10) }

    /// Makes room for so many more members.
    mutating func reserve(_ more: Int) {
        let room = slots.count + more
        if slots.capacity < room { slots.reserveCapacity(room + Self.spare(room)) }
        if places.room < more { find(room: room + Self.spare(room)) }
    }

    /// Moves all places into a larger table.
    private mutating func find(room: Int) {
        places = PlaceTable(room: room)
        for (place, member) in slots.enumerated() {
            if let member { put(place, JSONName(spelled: member.key.text)) }
        }
    }

    @discardableResult
    private mutating func put(_ place: Int, _ name: JSONName) -> Int? {
        let slots = slots
        return places.put(place, name.hashValue) { Self.has(slots[$0], name) }
    }

    private static func has(_ member: Member?, _ name: JSONName) -> Bool { member.map { JSONName(spelled: $0.key.text) == name } ?? false }

    private func place(_ name: JSONName) -> Int? { places.place(name.hashValue) { Self.has(slots[$0], name) } }

    private mutating func append(_ member: Member) {
        if places.room == 0 { find(room: 2 * slots.count + 4) }
        slots.append(member)
        if put(slots.count - 1, JSONName(spelled: member.key.text)) == nil { names += 1 }
        count += 1
    }

    subscript(name: JSONName) -> JSONTree? { place(name).flatMap { slots[$0]?.value } }

    /// Opens the value of a member; nil unless it is an array or object.
    mutating func open(_ name: JSONName, _ budget: WorkBudget) throws(WorkStopped) -> JSONContainer? {
        guard let place = place(name) else { return nil }
        return try slots[place]?.value.open(budget)
    }

    /// Adds a member, or replaces the value of the existing one.
    ///
    /// - Parameter key: the name as a new member is to spell it.
    /// - Returns: the growth in bytes.
    mutating func set(_ name: JSONName, key: JSONValue, _ value: JSONTree) -> Int {
        guard let place = place(name), let old = slots[place] else {
            let member = Member(key: key, value: value)
            append(member)
            return member.size
        }
        slots[place] = Member(key: old.key, value: value)
        return value.size - old.value.size
    }

    /// Removes all members of a name: an earlier one must not become visible.
    ///
    /// - Returns: the removed members, the effective one last.
    mutating func remove(_ name: JSONName) -> [Member] {
        guard let last = place(name) else { return [] }
        let candidates = hasRepeats ? 0..<(last + 1) : last..<(last + 1)
        var removed: [Member] = []
        for place in candidates {
            guard let member = slots[place], place == last || Self.has(member, name) else { continue }
            slots[place] = nil
            removed.append(member)
        }
        names -= 1
        count -= removed.count
        return removed
    }
}

extension JSONMembers: Sequence {
    struct Iterator: IteratorProtocol {
        fileprivate var slots: IndexingIterator<[Member?]>

        mutating func next() -> Member? {
            while let slot = slots.next() {
                if let slot { return slot }
            }
            return nil
        }
    }

    func makeIterator() -> Iterator { Iterator(slots: slots.makeIterator()) }
}
