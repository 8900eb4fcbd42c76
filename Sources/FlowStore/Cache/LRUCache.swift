/// Values by key within a bound on their cost: who was used longest ago goes first. Pure; a linked list in an array.
struct LRUCache<Key: Hashable, Value> {
    private struct Node {
        var key: Key
        var value: Value
        var cost: Int
        var newer: Int
        var older: Int
    }

    private static var none: Int { -1 }

    let capacity: Int
    private(set) var cost = 0
    private var places: [Key: Int] = [:]
    private var nodes: [Node?] = []
    private var vacant: [Int] = []
    private var newest = none
    private var oldest = none

    /// - Parameter capacity: of all costs together.
    init(capacity: Int) { self.capacity = capacity }

    var count: Int { places.count }

    /// The value, which now counts as just used.
    mutating func value(_ key: Key) -> Value? {
        guard let place = places[key] else { return nil }
        if place != newest {
            unlink(place)
            link(place)
        }
        return nodes[place]?.value
    }

    /// Keeps a value, and drops others until all fit. One that costs more than a quarter of the capacity is not kept.
    mutating func insert(_ value: Value, cost: Int, for key: Key) {
        remove(key)
        guard cost <= capacity / 4 else { return }
        while self.cost + cost > capacity, oldest != Self.none, let key = nodes[oldest]?.key { remove(key) }
        let node = Node(key: key, value: value, cost: cost, newer: Self.none, older: Self.none)
        let place: Int
        if let free = vacant.popLast() {
            place = free
            nodes[place] = node
        } else {
            place = nodes.count
            nodes.append(node)
        }
        places[key] = place
        self.cost += cost
        link(place)
    }

    mutating func remove(_ key: Key) {
        guard let place = places.removeValue(forKey: key), let node = nodes[place] else { return }
        unlink(place)
        cost -= node.cost
        nodes[place] = nil
        vacant.append(place)
    }

    mutating func removeAll() { self = LRUCache(capacity: capacity) }

    private mutating func link(_ place: Int) {
        nodes[place]?.older = newest
        nodes[place]?.newer = Self.none
        if newest != Self.none { nodes[newest]?.newer = place }
        newest = place
        if oldest == Self.none { oldest = place }
    }

    private mutating func unlink(_ place: Int) {
        guard let node = nodes[place] else { return }
        if node.newer != Self.none { nodes[node.newer]?.older = node.older } else { newest = node.older }
        if node.older != Self.none { nodes[node.older]?.newer = node.newer } else { oldest = node.newer }
    }
}
