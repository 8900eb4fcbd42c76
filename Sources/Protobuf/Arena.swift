import CProtobufC

/// Memory for one decoding or encoding: allocated in order, freed as a whole with the arena.
///
/// protobuf-c allocates every submessage, every list and every unknown field; 2,000 wire bytes of empty submessages take it 70,000 bytes.
/// An arena makes the many small allocations cheap and puts a ceiling on their sum.
///
/// An arena belongs to one thread at a time. Pointers into it are valid as long as the arena is.
public struct Arena: ~Copyable {
    /// protobuf-c's allocator. It and the state behind it are at the beginning of the first chunk, so that their addresses, which
    /// protobuf-c holds, do not change.
    @usableFromInline let allocator: UnsafeMutablePointer<ProtobufCAllocator>
    let state: UnsafeMutablePointer<State>
    /// Whether the first chunk is the arena's own.
    private let ownsFirstChunk: Bool

    /// - Parameters:
    ///   - ceiling: The bytes that all chunks together may take.
    ///   - firstChunk: The bytes to allocate at first, for a caller that knows what it needs.
    public init(ceiling: Int, firstChunk: Int = 4096) {
        let capacity = Self.aligned(max(min(firstChunk, ceiling), 0))
        let chunk = UnsafeMutableRawPointer.allocate(byteCount: Self.header + capacity, alignment: Self.alignment)
        self.init(chunk, capacity: capacity, ceiling: ceiling, ownsFirstChunk: true)
    }

    /// An arena whose first chunk is lent: `memory` must outlive it. It must be aligned to `alignment` and
    /// larger than `header`.
    @usableFromInline
    init(ceiling: Int, in memory: UnsafeMutableRawBufferPointer) {
        guard let chunk = memory.baseAddress, memory.count >= Self.header else {
            preconditionFailure("an arena needs \(Self.header) bytes to begin with")
        }
        let capacity = max(min(memory.count - Self.header, ceiling), 0) & ~7
        self.init(chunk, capacity: capacity, ceiling: ceiling, ownsFirstChunk: false)
    }

    private init(_ chunk: UnsafeMutableRawPointer, capacity: Int, ceiling: Int, ownsFirstChunk: Bool) {
        self.ownsFirstChunk = ownsFirstChunk
        let stateOffset = Self.aligned(MemoryLayout<ProtobufCAllocator>.size)
        allocator = chunk.bindMemory(to: ProtobufCAllocator.self, capacity: 1)
        state = (chunk + stateOffset).bindMemory(to: State.self, capacity: 1)
        allocator.initialize(
            to: ProtobufCAllocator(
                alloc: { data, size in data?.assumingMemoryBound(to: State.self).pointee.take(size) },
                free: { _, _ in },  // all at once, in deinit
                allocator_data: state))
        state.initialize(
            to: State(cursor: chunk + Self.header, available: capacity, remaining: max(ceiling - capacity, 0)))
    }

    deinit {
        var chunk = state.pointee.lastChunk
        while let current = chunk {
            chunk = current.load(as: UnsafeMutableRawPointer?.self)
            current.deallocate()
        }
        if ownsFirstChunk { UnsafeMutableRawPointer(allocator).deallocate() }
    }

    /// A ceiling that every reasonable message of this size stays under: twice its bytes, and 8 MiB.
    public static func ceiling(wireBytes: Int) -> Int { 2 * wireBytes + (8 << 20) }

    /// Whether an allocation was refused because of the ceiling.
    public var isExhausted: Bool { state.pointee.isExhausted }

    /// `count` bytes, not initialised, aligned for any C value; nil beyond the ceiling.
    public mutating func allocate(_ count: Int) -> UnsafeMutableRawPointer? { state.pointee.take(count) }

    @usableFromInline static let alignment = 16
    /// What the allocator and the state take of the first chunk.
    @usableFromInline static let header = aligned(MemoryLayout<ProtobufCAllocator>.size) + aligned(MemoryLayout<State>.size)
    /// Stack memory that is lent for a small message. Swift takes up to 1,024 bytes from the stack, more from the heap.
    @usableFromInline static let stackBytes = 1024

    static func aligned(_ size: Int) -> Int { (size + 7) & ~7 }
}

extension Arena {
    struct State {
        /// The next free byte, and how many bytes there are from it to the end of its chunk.
        var cursor: UnsafeMutableRawPointer
        var available: Int
        /// What the ceiling leaves for further chunks.
        var remaining: Int
        /// The newest chunk after the first one; each begins with the address of the one before it.
        var lastChunk: UnsafeMutableRawPointer?
        var nextChunkSize = 8192
        var isExhausted = false

        mutating func take(_ count: Int) -> UnsafeMutableRawPointer? {
            // A size_t beyond Int.max arrives as a negative number.
            guard count >= 0, count <= Int.max - 64 else { return refuse() }
            let size = Arena.aligned(count)
            if size > available {
                guard grow(size) else { return refuse() }
            }
            defer {
                cursor += size
                available -= size
            }
            return cursor
        }

        private mutating func grow(_ size: Int) -> Bool {
            let header = Arena.alignment
            let chunkSize = max(min(nextChunkSize, remaining), size + header)
            guard chunkSize <= remaining else { return false }
            let chunk = UnsafeMutableRawPointer.allocate(byteCount: chunkSize, alignment: Arena.alignment)
            chunk.storeBytes(of: lastChunk, as: UnsafeMutableRawPointer?.self)
            lastChunk = chunk
            cursor = chunk + header
            available = (chunkSize - header) & ~7
            remaining -= chunkSize
            nextChunkSize = min(2 * nextChunkSize, 1 << 20)
            return true
        }

        private mutating func refuse() -> UnsafeMutableRawPointer? {
            isExhausted = true
            return nil
        }
    }
}
