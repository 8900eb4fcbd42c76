import FlowModel

/// The results of work on each element, in the order of the elements.
///
/// - Parameter width: the elements that are worked on at a time, at least one. A call with a thousand elements shares the threads and
///   the writers' queues with calls that have one; it must not fill them before anyone else's turn.
func concurrently<Element: Sendable, Value: Sendable>(
    _ elements: [Element], width: Int, _ work: @escaping @Sendable (Element) async throws(StateError) -> Value
) async -> [Result<Value, StateError>] {
    let results = await withTaskGroup(of: (Int, Result<Value, StateError>).self) { group in
        func start(_ place: Int) {
            let element = elements[place]
            group.addTask {
                do throws(StateError) {
                    return (place, .success(try await work(element)))
                } catch {
                    return (place, .failure(error))
                }
            }
        }
        for place in elements.indices.prefix(width) { start(place) }
        var (results, next) = ([Int: Result<Value, StateError>](), min(width, elements.count))
        while let (place, result) = await group.next() {
            results[place] = result
            guard next < elements.count else { continue }
            start(next)
            next += 1
        }
        return results
    }
    return elements.indices.map { results[$0] ?? .failure(.cancelled) }
}
