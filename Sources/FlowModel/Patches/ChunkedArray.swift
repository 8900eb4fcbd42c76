/// A sequence into which elements are put, and from which they are taken, anywhere, without moving all that are behind: a patch may do
/// that thousands of times to a long array. An operation costs about a chunk's length and the number of chunks.
struct ChunkedArray<Element> {
    private static var chunkLength: Int { 512 }

    /// None is empty.
    private var chunks: [[Element]] = []
    /// How many are in each chunk, close together, as a search looks at them only.
    private var counts: [Int] = []
    private(set) var count = 0

    init() {}

    /// What so many elements take in memory, in bytes.
    static func memory(_ count: Int) -> Int {
        count * MemoryLayout<Element>.stride + (count / chunkLength + 1) * (MemoryLayout<[Element]>.stride + MemoryLayout<Int>.stride)
    }

    init(_ elements: some Sequence<Element>) {
        var chunk: [Element] = []
        for element in elements {
            chunk.append(element)
            if chunk.count == Self.chunkLength {
                append(chunk)
                chunk = []
            }
        }
        if !chunk.isEmpty { append(chunk) }
    }

    private mutating func append(_ chunk: [Element]) {
        chunks.append(chunk)
        counts.append(chunk.count)
        count += chunk.count
    }

    /// - Parameter place: from 0, below `count`.
    subscript(place: Int) -> Element {
        let (chunk, offset) = locate(place)
        return chunks[chunk][offset]
    }

    /// Changes an element where it is.
    mutating func update<Result, Failure: Error>(
        at place: Int, _ body: (inout Element) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let (chunk, offset) = locate(place)
        return try body(&chunks[chunk][offset])
    }

    /// - Parameter place: from 0 to `count`.
    mutating func insert(_ element: Element, at place: Int) {
        count += 1
        if chunks.isEmpty {
            chunks = [[element]]
            counts = [1]
            return
        }
        var (chunk, offset) = locate(place)
        if counts[chunk] >= 2 * Self.chunkLength {
            split(chunk)
            if offset > counts[chunk] {
                offset -= counts[chunk]
                chunk += 1
            }
        }
        chunks[chunk].insert(element, at: offset)
        counts[chunk] += 1
    }

    /// - Parameter place: from 0, below `count`.
    mutating func remove(at place: Int) -> Element {
        let (chunk, offset) = locate(place)
        count -= 1
        counts[chunk] -= 1
        let element = chunks[chunk].remove(at: offset)
        if counts[chunk] == 0 {
            chunks.remove(at: chunk)
            counts.remove(at: chunk)
        }
        return element
    }

    private mutating func split(_ chunk: Int) {
        let half = counts[chunk] / 2
        chunks.insert(Array(chunks[chunk][half...]), at: chunk + 1)
        chunks[chunk].removeSubrange(half...)
        counts.insert(counts[chunk] - half, at: chunk + 1)
        counts[chunk] = half
    }

    /// Behind the last element is the last chunk's end.
    private func locate(_ place: Int) -> (chunk: Int, offset: Int) {
        var chunk = 0
        var offset = place
        while chunk < counts.count - 1, offset >= counts[chunk] {
            offset -= counts[chunk]
            chunk += 1
        }
        return (chunk, offset)
    }
}

extension ChunkedArray: Sequence {
    func makeIterator() -> FlattenSequence<[[Element]]>.Iterator { chunks.joined().makeIterator() }
}
