import Synchronization

/// Objects that wait for their next use. Thread-safe.
final class Pool<Element: Sendable>: Sendable {
    private let idle = Mutex<[Element]>([])

    /// Removes the object that was put back last among those that `isWanted` names.
    func take(_ isWanted: (Element) -> Bool) -> Element? {
        idle.withLock { idle in idle.lastIndex(where: isWanted).map { idle.remove(at: $0) } }
    }

    /// Keeps the object, unless so many are there.
    func putBack(_ element: Element, atMost limit: Int) {
        idle.withLock { if $0.count < limit { $0.append(element) } }
    }
}
