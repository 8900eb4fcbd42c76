/// Values by key within a bound on their cost: the least recently used value is evicted first. Pure; a linked list in an array.
struct LRUCache<Key: Hashable, Value> {
    private struct Node {
        let key: Key
        let value: Value
        let cost: Int
    }

    /// Separate from the nodes, so that moving one to the front retains and releases nothing.
    private struct Link {
        var newer: Int
        var older: Int
    }

    private static var none: Int { -1 }

    let capacity: Int
    private(set) var cost = 0
    private var places: [Key: Int] = [:]
    private var nodes: [Node?] = []
    private var links: [Link] = []
    private var vacant: [Int] = []
    private var newest = none
    private var oldest = none

    /// - Parameter capacity: bounds the sum of all costs.
    init(capacity: Int) { self.capacity = capacity }

    var count: Int { places.count }

    /// Looks up a value, which becomes the most recently used.
    mutating func value(_ key: Key) -> Value? {
        guard let place = places[key] else { return nil }
        if place != newest {
            unlink(place)
            link(place)
        }
        return nodes[place]?.value
    }

    /// Inserts a value, and evicts others until all fit. A value that costs more than a quarter of the capacity is not kept.
    mutating func insert(_ value: Value, cost: Int, for key: Key) {
        guard cost <= capacity / 4 else { return remove(key) }
        if let place = places[key], let old = nodes[place] {
            nodes[place] = Node(key: old.key, value: value, cost: cost)
            self.cost -= old.cost
            unlink(place)
            link(place)
        } else {
            add(Node(key: key, value: value, cost: cost))
        }
        self.cost += cost
        while self.cost > capacity, oldest != Self.none, let key = nodes[oldest]?.key { remove(key) }
    }

    private mutating func add(_ node: Node) {
        let place: Int
        if let free = vacant.popLast() {
            place = free
            nodes[place] = node
        } else {
            place = nodes.count
            nodes.append(node)
            links.append(Link(newer: Self.none, older: Self.none))
        }
        places[node.key] = place
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
        links[place] = Link(newer: Self.none, older: newest)
        if newest != Self.none { links[newest].newer = place }
        newest = place
        if oldest == Self.none { oldest = place }
    }

    private mutating func unlink(_ place: Int) {
        let link = links[place]
        if link.newer != Self.none { links[link.newer].older = link.older } else { newest = link.older }
        if link.older != Self.none { links[link.older].newer = link.newer } else { oldest = link.newer }
    }
}
