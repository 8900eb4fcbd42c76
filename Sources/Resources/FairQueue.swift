/// A bounded queue in which callers take turns: one element of each, round and round, each caller's own in their order. Pure.
struct FairQueue<Element> {
    private struct Caller {
        let id: UInt64
        var elements: [Element]
        /// Elements before it were taken.
        var next = 0
    }

    /// Callers that wait, in the order of their turns.
    private var callers: [Caller] = []
    /// Whose turn it is.
    private var turn = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    mutating func append(_ element: Element, of caller: UInt64) {
        count += 1
        if let place = callers.firstIndex(where: { $0.id == caller }) {
            callers[place].elements.append(element)
        } else {
            // Behind all others: just before the one whose turn it is.
            callers.insert(Caller(id: caller, elements: [element]), at: turn)
            turn = callers.count == 1 ? 0 : turn + 1
        }
    }

    mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        if turn >= callers.count { turn = 0 }
        count -= 1
        let element = callers[turn].elements[callers[turn].next]
        callers[turn].next += 1
        if callers[turn].next == callers[turn].elements.count {
            callers.remove(at: turn)
        } else {
            turn += 1
        }
        return element
    }
}
