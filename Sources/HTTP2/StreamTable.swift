import CNGHTTP2
import NIOCore

/// The object of each open stream, by the stream's identifier: a hash table with open addressing, since a call looks up its stream about
/// ten times, and Swift's dictionary takes 25 ns each time to be safe for any key.
///
/// The mutable state lies behind a pointer, so that the table can be a constant of its owner and a look-up takes no run-time check of
/// exclusive access. For one thread at a time. The capacity is a power of two and never more than half used; removing an entry closes its
/// gap, so that there are no tombstones.
package struct StreamTable<Value: AnyObject>: ~Copyable {
    @usableFromInline struct Slot {
        /// 0 where the slot is free: no stream has that identifier (RFC 9113 §5.1.1).
        @usableFromInline var id: StreamID = 0
        @usableFromInline var value: Value?
        @inlinable init() {}
    }

    @usableFromInline struct State {
        /// `capacity` slots, all initialised.
        @usableFromInline var slots: UnsafeMutablePointer<Slot>
        @usableFromInline var capacity: Int
        @usableFromInline var count = 0
        /// Odd, and random: the peer chooses the identifiers, and could choose those that collide.
        @usableFromInline let factor = UInt32.random(in: 0...UInt32.max) | 1

        @inlinable init(capacity: Int) {
            self.capacity = capacity
            slots = .allocate(capacity: capacity)
            slots.initialize(repeating: Slot(), count: capacity)
        }

        /// Where the search for `id` begins.
        @inlinable @inline(__always) func home(_ id: StreamID) -> Int {
            let hash = UInt32(truncatingIfNeeded: id) &* factor
            return Int(hash >> 16 ^ hash) & (capacity &- 1)
        }

        /// The slot of `id`, or the free one where it would be.
        @inlinable @inline(__always) func find(_ id: StreamID) -> UnsafeMutablePointer<Slot> {
            var index = home(id)
            while slots[index].id != id, slots[index].id != 0 { index = (index &+ 1) & (capacity &- 1) }
            return slots + index
        }
    }

    /// Owned by this table, with the slots in it.
    @usableFromInline let state: UnsafeMutablePointer<State>

    @inlinable
    package init(capacity: Int = 16) {
        state = .allocate(capacity: 1)
        state.initialize(to: State(capacity: capacity))
    }

    @inlinable
    deinit {
        state.pointee.slots.deinitialize(count: state.pointee.capacity)
        state.pointee.slots.deallocate()
        state.deallocate()
    }

    package var count: Int { @inlinable get { state.pointee.count } }

    package subscript(id: StreamID) -> Value? {
        @inlinable @inline(__always) get { state.pointee.find(id).pointee.value }
    }

    /// Adds or replaces the object of a stream. `id` must not be 0.
    @inlinable @inline(__always)
    package func insert(_ id: StreamID, _ value: Value) {
        if 2 * (state.pointee.count + 1) > state.pointee.capacity { grow() }
        let slot = state.pointee.find(id)
        if slot.pointee.id != id {
            slot.pointee.id = id
            state.pointee.count += 1
        }
        slot.pointee.value = value
    }

    @inlinable @inline(__always)
    @discardableResult
    package func remove(_ id: StreamID) -> Value? {
        var gap = state.pointee.find(id)
        guard let value = gap.pointee.value else { return nil }
        gap.pointee.value = nil
        state.pointee.count -= 1
        // An entry behind the gap moves into it, unless its search begins behind the gap. The gap's slot owns nothing any more.
        let (slots, mask) = (state.pointee.slots, state.pointee.capacity - 1)
        var next = (gap - slots + 1) & mask
        while slots[next].id != 0 {
            let home = state.pointee.home(slots[next].id)
            if (next - home) & mask >= (next - (gap - slots)) & mask {
                gap.initialize(to: (slots + next).move())
                gap = slots + next
                gap.initialize(to: Slot())
            }
            next = (next + 1) & mask
        }
        gap.pointee.id = 0
        return value
    }

    /// A copy of all objects, for a loop during which entries may be removed.
    @inlinable package var values: [Value] {
        UnsafeBufferPointer(start: state.pointee.slots, count: state.pointee.capacity).compactMap(\.value)
    }

    @inlinable
    package func removeAll() {
        for index in 0..<state.pointee.capacity { state.pointee.slots[index] = Slot() }
        state.pointee.count = 0
    }

    @usableFromInline
    func grow() {
        let (old, oldCapacity) = (state.pointee.slots, state.pointee.capacity)
        state.pointee.capacity = 2 * oldCapacity
        state.pointee.slots = .allocate(capacity: 2 * oldCapacity)
        state.pointee.slots.initialize(repeating: Slot(), count: 2 * oldCapacity)
        for index in 0..<oldCapacity where old[index].id != 0 {
            state.pointee.find(old[index].id).initialize(to: (old + index).move())
            (old + index).initialize(to: Slot())
        }
        old.deinitialize(count: oldCapacity)
        old.deallocate()
    }
}

/// An open stream's queue of content to be sent. nghttp2 asks for it frame by frame as windows allow: `next` says how many bytes the next
/// frame has, `copy` places them.
final class Stream {
    /// How our side of the stream ends, once everything queued is sent.
    enum End {
        case open
        case endStream
        case trailers([HeaderField])
        case preparedTrailers(StaticHeaders)
        case ended
    }

    let id: StreamID

    /// The next piece to send; empty when nothing waits.
    private var chunk = ByteBuffer()
    /// The pieces behind it, in a stream of messages.
    private var more: CircularBuffer<ByteBuffer>?
    /// What follows the pieces.
    private var shared: SharedContent?
    private(set) var pendingBytes = 0
    /// Bytes sent so far.
    private(set) var sentBytes = 0
    private(set) var end = End.open
    /// `next` returned `.deferred`: nghttp2 must be resumed when there is more.
    private(set) var isDeferred = false
    /// The owner has seen that the stream is blocked and waits for `.writable`.
    var reportsWritable = false

    init(id: StreamID) { self.id = id }

    func append(_ chunk: ByteBuffer) {
        guard case .open = end, chunk.readableBytes > 0 else { return }
        if pendingBytes == 0 {
            self.chunk = chunk
        } else {
            if more == nil { more = CircularBuffer(initialCapacity: 4) }
            more?.append(chunk)
        }
        pendingBytes += chunk.readableBytes
    }

    /// The last content of the stream.
    func append(last content: SharedContent) {
        guard case .open = end, shared == nil else { return }
        shared = content
        pendingBytes += content.readableBytes
    }

    func finish(_ newEnd: End) {
        if case .open = end { end = newEnd }
    }

    /// True once: the caller then resumes the stream.
    func takeDeferred() -> Bool {
        defer { isDeferred = false }
        return isDeferred
    }

    enum Next {
        case bytes(Int)
        case deferred
        /// The last bytes, and the trailer section that follows them.
        case last(Int, End)
    }

    /// What the next frame holds, of `limit` bytes at most. The bytes stay in the queue until `copy`.
    func next(_ limit: Int) -> Next {
        let count = min(pendingBytes, limit)
        guard count == pendingBytes else { return .bytes(count) }
        switch end {
        case .open, .ended:
            if count > 0 { return .bytes(count) }
            isDeferred = true
            return .deferred
        case .endStream, .trailers, .preparedTrailers:
            defer { end = .ended }
            return .last(count, end)
        }
    }

    /// Moves the next bytes of the queue into `target`, as many as it takes.
    /// - Parameter spent: Takes each piece that was copied completely.
    func copy(into target: UnsafeMutableRawBufferPointer, spent: (consuming ByteBuffer) -> Void) {
        var written = 0
        while chunk.readableBytes > 0, written < target.count {
            let count = min(chunk.readableBytes, target.count - written)
            chunk.readWithUnsafeReadableBytes { source in
                UnsafeMutableRawBufferPointer(rebasing: target[written...]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: source[..<count]))
                return count
            }
            written += count
            if chunk.readableBytes == 0 { spent(popChunk()) }
        }
        if written < target.count {
            written += shared?.read(into: UnsafeMutableRawBufferPointer(rebasing: target[written...])) ?? 0
        }
        pendingBytes -= written
        sentBytes += written
        if pendingBytes == 0 { shared = nil }
    }

    /// Drops what waits.
    /// - Parameter spent: Takes each piece.
    func drop(spent: (consuming ByteBuffer) -> Void) {
        while chunk.readableBytes > 0 { spent(popChunk()) }
        shared = nil
        pendingBytes = 0
    }

    /// Removes the first piece.
    private func popChunk() -> ByteBuffer {
        var popped = more?.popFirst() ?? ByteBuffer()
        swap(&popped, &chunk)
        return popped
    }
}

/// Content in two arrays that others have too: it is copied when it is sent, and not before.
package struct SharedContent: Sendable {
    private let head: [UInt8]
    private let rest: [UInt8]
    /// Bytes that were read.
    private var offset = 0

    package init(_ head: [UInt8], _ rest: [UInt8]) {
        self.head = head
        self.rest = rest
    }

    package var readableBytes: Int { head.count + rest.count - offset }

    /// - Returns: the bytes copied, as many as there are and fit.
    package mutating func read(into target: UnsafeMutableRawBufferPointer) -> Int {
        var written = 0
        if offset < head.count { written += Self.copy(head, from: offset, into: target) }
        let offsetInRest = offset + written - head.count
        if offsetInRest >= 0, offsetInRest < rest.count, written < target.count {
            written += Self.copy(rest, from: offsetInRest, into: UnsafeMutableRawBufferPointer(rebasing: target[written...]))
        }
        offset += written
        return written
    }

    private static func copy(_ bytes: [UInt8], from start: Int, into target: UnsafeMutableRawBufferPointer) -> Int {
        bytes.withUnsafeBytes { source in
            let part = UnsafeRawBufferPointer(rebasing: source[start..<min(source.count, start + target.count)])
            target.copyMemory(from: part)
            return part.count
        }
    }
}
