/// The members of an object that is being changed: in order, and found by name. Of a repeated name the last member counts; the others stay
/// as they are until the name is removed.
struct JSONMembers {
    struct Member {
        /// The name as it is spelled.
        let key: ArraySlice<UInt8>
        var value: JSONTree

        /// Bytes when written; the colon counts.
        var size: Int { key.count + 1 + value.size }
    }

    /// nil where a member was removed, so that the others keep their places.
    private var slots: [Member?] = []
    /// Of the last member of each name.
    private var places: [JSONName: Int] = [:]
    private(set) var count = 0

    /// Whether members are more than names.
    var hasRepeats: Bool { count > places.count }

    init() {}

    /// - Parameter object: nothing else has members.
    init(_ object: JSONValue) {
        let count = object.kind == .object ? object.count : 0
        slots.reserveCapacity(count)
        places.reserveCapacity(count)
        for member in object.members {
            let key = member.key.text
            append(Member(key: key, value: JSONTree(member.value)), name: JSONName(spelled: key))
        }
    }

    private mutating func append(_ member: Member, name: JSONName) {
        places[name] = slots.count
        slots.append(member)
        count += 1
    }

    subscript(name: JSONName) -> JSONTree? { places[name].flatMap { slots[$0]?.value } }

    /// nil when no array or object has that name.
    mutating func open(_ name: JSONName) -> JSONTree.Opened? {
        guard let place = places[name] else { return nil }
        return slots[place]?.value.open()
    }

    /// Adds a member, or replaces the value of the one there is.
    ///
    /// - Parameter key: the name as a new member is to spell it.
    /// - Returns: the bytes by which that is larger.
    mutating func set(_ name: JSONName, key: ArraySlice<UInt8>, _ value: JSONTree) -> Int {
        guard let place = places[name], let old = slots[place] else {
            let member = Member(key: key, value: value)
            append(member, name: name)
            return member.size
        }
        slots[place] = Member(key: old.key, value: value)
        return value.size - old.value.size
    }

    /// Removes all members of a name: an earlier one must not come to light.
    ///
    /// - Returns: the removed, the one that counted last.
    mutating func remove(_ name: JSONName) -> [Member] {
        guard let last = places[name] else { return [] }
        let candidates = hasRepeats ? 0..<(last + 1) : last..<(last + 1)
        var removed: [Member] = []
        for place in candidates {
            guard let member = slots[place], place == last || JSONName(spelled: member.key) == name else { continue }
            slots[place] = nil
            removed.append(member)
        }
        places[name] = nil
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
