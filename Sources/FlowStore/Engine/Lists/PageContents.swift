import FlowModel

/// Loads what belongs to the rows of a page, such as their states: each is loaded as any other, so that they share statements with loads of
/// other calls.
struct PageContents<Element: Sendable>: Sendable {
    let store: StateStore
    /// The page token behind an element.
    let token: @Sendable (Element) -> PageToken
    /// Bytes that loading an element will probably take.
    let expectedBytes: @Sendable (Element) -> Int
    /// Bytes that a loaded element took.
    let loadedBytes: @Sendable (Element) -> Int
    /// The element with its contents; nil: it was removed meanwhile, and is left out.
    let load: @Sendable (Element) async throws(StateError) -> Element?

    /// Loads under way at a time.
    private var concurrency: Int { 32 }

    /// The page with its contents, as many as fit into a message, at least one.
    func load(_ page: Page<Element>) async throws(StateError) -> Page<Element> {
        var (contents, bytes): ([Element], Int) = ([], page.byteCount)
        var rest = page.elements[...]
        var isCut = false
        while !rest.isEmpty, !isCut {
            let some = portion(rest, bytes)
            rest = rest.dropFirst(some.count)
            isCut = some.isEmpty
            for result in await concurrently(Array(some), width: concurrency, load) {
                guard let element = try result.get() else { continue }
                let size = loadedBytes(element)
                if !contents.isEmpty, bytes + size > store.pageBytes {
                    isCut = true
                    break
                }
                bytes += size
                contents.append(element)
            }
        }
        var loaded = Page(elements: contents, next: page.next)
        if isCut { loaded.next = contents.last.map(token) ?? page.next }
        loaded.byteCount = bytes
        return loaded
    }

    /// As many as may fit.
    private func portion(_ elements: ArraySlice<Element>, _ taken: Int) -> ArraySlice<Element> {
        var bytes = taken
        return elements.prefix(concurrency).prefix { element in
            let isFirst = bytes == taken
            bytes += expectedBytes(element)
            return isFirst || bytes <= store.pageBytes
        }
    }
}
