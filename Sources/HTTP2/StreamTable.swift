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

/// An open stream's queue of content to be sent. nghttp2 asks for content piece by piece as windows allow; `read` provides it.
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
    private(set) var pendingBytes = 0
    /// Bytes sent so far.
    private(set) var sentBytes = 0
    private(set) var end = End.open
    /// The last read returned NGHTTP2_ERR_DEFERRED: nghttp2 must be resumed when there is more.
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

    func finish(_ newEnd: End) {
        if case .open = end { end = newEnd }
    }

    /// True once: the caller then resumes the stream.
    func takeDeferred() -> Bool {
        defer { isDeferred = false }
        return isDeferred
    }

    enum ReadResult {
        case bytes(Int)
        case deferred
        /// The last bytes, and the trailer section that follows them.
        case last(Int, End)
    }

    /// Removes the next waiting piece, or what is left of it; nil when there is none.
    func popChunk() -> ByteBuffer? {
        guard pendingBytes > 0 else { return nil }
        var popped = more?.popFirst() ?? ByteBuffer()
        swap(&popped, &chunk)
        pendingBytes -= popped.readableBytes
        return popped
    }

    /// Fills `target` from the queue, and returns whether our side ends with it.
    /// - Parameter spent: Takes each piece that was read completely.
    func read(into target: UnsafeMutableRawBufferPointer, spent: (consuming ByteBuffer) -> Void) -> ReadResult {
        var written = 0
        while pendingBytes > 0, written < target.count {
            let count = min(chunk.readableBytes, target.count - written)
            chunk.readWithUnsafeReadableBytes { source in
                UnsafeMutableRawBufferPointer(rebasing: target[written...]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: source[..<count]))
                return count
            }
            written += count
            pendingBytes -= count
            sentBytes += count
            if chunk.readableBytes == 0 {
                var last = more?.popFirst() ?? ByteBuffer()
                swap(&last, &chunk)
                spent(last)
            }
        }
        guard pendingBytes == 0 else { return .bytes(written) }
        switch end {
        case .open, .ended:
            if written > 0 { return .bytes(written) }
            isDeferred = true
            return .deferred
        case .endStream, .trailers, .preparedTrailers:
            defer { end = .ended }
            return .last(written, end)
        }
    }
}
