/// A piece table: a sequence in which insertions and removals anywhere do not move all elements behind them, since a patch may make
/// thousands of them in a long array.
///
/// The original elements stay where they are, in one block of memory that goes back to the system whole; pieces list which of them are
/// left, and hold the inserted ones. A change costs about the number of pieces, and makes two more at most.
struct PieceTable<Element> {
    private enum Piece {
        /// As many elements as the piece counts, of `original` from this index on.
        case original(Int)
        case inserted([Element])
    }

    /// A piece with more inserted elements is split into two.
    private static var insertedLimit: Int { 1_024 }

    private var original: [Element]
    /// Replaces removed elements in `original`.
    private let placeholder: Element
    /// No piece is empty.
    private var pieces: [Piece] = []
    /// The number of elements in each piece, in an array of their own, as a search reads only these.
    private var counts: [Int] = []
    private(set) var count: Int

    var pieceCount: Int { counts.count }

    /// - Parameters:
    ///   - count: the number of elements; memory is taken for all of them at once.
    ///   - placeholder: an element that holds nothing.
    init(_ elements: some Sequence<Element>, count: Int, placeholder: Element) {
        original = []
        original.reserveCapacity(count)
        original.append(contentsOf: elements)
        self.count = original.count
        self.placeholder = placeholder
        if !original.isEmpty { (pieces, counts) = ([.original(0)], [original.count]) }
    }

    /// The memory of so many elements in bytes, with the pieces into which a patch may split them.
    static func memory(_ count: Int) -> Int {
        count * MemoryLayout<Element>.stride + Swift.min(count, 32 << 10) * (MemoryLayout<Piece>.stride + MemoryLayout<Int>.stride)
    }

    /// - Parameter place: from 0, below `count`.
    subscript(place: Int) -> Element {
        let (piece, offset) = locate(place)
        return switch pieces[piece] {
        case .original(let start): original[start + offset]
        case .inserted(let elements): elements[offset]
        }
    }

    /// Changes an element in place.
    mutating func update<Result, Failure: Error>(
        at place: Int, _ body: (inout Element) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let (piece, offset) = locate(place)
        switch pieces[piece] {
        case .original(let start): return try body(&original[start + offset])
        case .inserted(var elements):
            // This must be the only reference to the elements, or they are copied.
            pieces[piece] = .inserted([])
            defer { pieces[piece] = .inserted(elements) }
            return try body(&elements[offset])
        }
    }

    /// - Parameter place: from 0 to `count`.
    mutating func insert(_ element: Element, at place: Int) {
        let (piece, offset) = makeRoom(at: place)
        guard case .inserted(var elements) = pieces[piece] else { return }
        pieces[piece] = .inserted([])
        elements.insert(element, at: offset)
        pieces[piece] = .inserted(elements)
        counts[piece] += 1
        count += 1
    }

    /// - Parameter place: from 0, below `count`.
    mutating func remove(at place: Int) -> Element {
        let (piece, offset) = locate(place)
        let element: Element
        switch pieces[piece] {
        case .original(let start):
            element = original[start + offset]
            original[start + offset] = placeholder
            if offset == 0 {
                pieces[piece] = .original(start + 1)
            } else if offset + 1 < counts[piece] {
                split(piece, at: offset + 1)
            }
        case .inserted(var elements):
            pieces[piece] = .inserted([])
            element = elements.remove(at: offset)
            pieces[piece] = .inserted(elements)
        }
        counts[piece] -= 1
        count -= 1
        if counts[piece] == 0 {
            pieces.remove(at: piece)
            counts.remove(at: piece)
        }
        return element
    }

    /// - Returns: a piece of inserted elements with room for one more, and the offset in it.
    private mutating func makeRoom(at place: Int) -> (piece: Int, offset: Int) {
        var (piece, offset) = locate(place)
        if offset == 0, piece > 0, case .inserted = pieces[piece - 1] {
            piece -= 1
            offset = counts[piece]
        }
        guard piece < pieces.count, case .inserted = pieces[piece] else {
            if offset > 0 {
                if offset < counts[piece] { split(piece, at: offset) }
                piece += 1
            }
            pieces.insert(.inserted([]), at: piece)
            counts.insert(0, at: piece)
            return (piece, 0)
        }
        guard counts[piece] >= Self.insertedLimit else { return (piece, offset) }
        split(piece, at: counts[piece] / 2)
        return offset <= counts[piece] ? (piece, offset) : (piece + 1, offset - counts[piece])
    }

    /// - Parameter offset: above 0, below the piece's count.
    private mutating func split(_ piece: Int, at offset: Int) {
        switch pieces[piece] {
        case .original(let start): pieces.insert(.original(start + offset), at: piece + 1)
        case .inserted(let elements):
            pieces[piece] = .inserted(Array(elements[..<offset]))
            pieces.insert(.inserted(Array(elements[offset...])), at: piece + 1)
        }
        counts.insert(counts[piece] - offset, at: piece + 1)
        counts[piece] = offset
    }

    /// Behind the last element: the end of the last piece, or 0, 0 without pieces.
    private func locate(_ place: Int) -> (piece: Int, offset: Int) {
        var piece = 0
        var offset = place
        while piece < counts.count - 1, offset >= counts[piece] {
            offset -= counts[piece]
            piece += 1
        }
        return (piece, offset)
    }
}

extension PieceTable: Sequence {
    struct Iterator: IteratorProtocol {
        fileprivate let table: PieceTable
        private var piece = 0
        private var elements = ArraySlice<Element>().makeIterator()

        fileprivate init(_ table: PieceTable) { self.table = table }

        mutating func next() -> Element? {
            while true {
                if let element = elements.next() { return element }
                guard piece < table.pieces.count else { return nil }
                elements = table.elements(of: piece).makeIterator()
                piece += 1
            }
        }
    }

    func makeIterator() -> Iterator { Iterator(self) }

    private func elements(of piece: Int) -> ArraySlice<Element> {
        switch pieces[piece] {
        case .original(let start): original[start..<start + counts[piece]]
        case .inserted(let elements): elements[...]
        }
    }
}
