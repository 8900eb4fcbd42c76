import DequeModule

/// A queue in which callers take turns: one element of each per round; a caller's elements keep their order. Pure.
package struct FairQueue<Element> {
    private struct Caller {
        let id: UInt64
        var elements: Deque<Element>
    }

    package init() {}

    /// Callers that wait, in the order of their turns.
    private var callers: [Caller] = []
    /// The index of the caller whose turn it is.
    private var turn = 0
    package private(set) var count = 0

    /// Callers that wait.
    package var callerCount: Int { callers.count }

    package func isWaiting(_ caller: UInt64) -> Bool { callers.contains { $0.id == caller } }

    package var isEmpty: Bool { count == 0 }

    package mutating func append(_ element: Element, of caller: UInt64) {
        count += 1
        if let place = callers.firstIndex(where: { $0.id == caller }) {
            callers[place].elements.append(element)
        } else {
            // Behind all others: just before the one whose turn it is.
            callers.insert(Caller(id: caller, elements: [element]), at: turn)
            turn = callers.count == 1 ? 0 : turn + 1
        }
    }

    /// Removes and returns elements that match, at most `limit`.
    package mutating func remove(atMost limit: Int = .max, where matches: (Element) -> Bool) -> [Element] {
        var removed: [Element] = []
        for place in callers.indices.reversed() where removed.count < limit && callers[place].elements.contains(where: matches) {
            var kept: Deque<Element> = []
            for element in callers[place].elements {
                if removed.count < limit, matches(element) { removed.append(element) } else { kept.append(element) }
            }
            if kept.isEmpty {
                callers.remove(at: place)
                if place < turn { turn -= 1 }
            } else {
                callers[place] = Caller(id: callers[place].id, elements: kept)
            }
        }
        count -= removed.count
        return removed
    }

    package mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        if turn >= callers.count { turn = 0 }
        count -= 1
        let element = callers[turn].elements.popFirst()
        if callers[turn].elements.isEmpty {
            callers.remove(at: turn)
        } else {
            turn += 1
        }
        return element
    }
}
