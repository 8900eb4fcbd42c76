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

    /// The next piece to send.
    private var piece: OutboundContent?
    /// Bytes of it that were sent.
    private var offset = 0
    /// The pieces behind it, in a stream of messages.
    private var more: CircularBuffer<OutboundContent>?
    private(set) var pendingBytes = 0
    /// Bytes sent so far.
    private(set) var sentBytes = 0
    private(set) var end = End.open
    /// `next` returned `.deferred`: nghttp2 must be resumed when there is more.
    private(set) var isDeferred = false
    /// The owner has seen that the stream is blocked and waits for `.writable`.
    var reportsWritable = false

    init(id: StreamID) { self.id = id }

    func append(_ content: OutboundContent) {
        let bytes = content.count
        guard case .open = end, bytes > 0 else { return }
        if pendingBytes == 0 {
            piece = content
        } else {
            if more == nil { more = CircularBuffer(initialCapacity: 4) }
            more?.append(content)
        }
        pendingBytes += bytes
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
    func copy(into target: UnsafeMutableRawBufferPointer, spent: (consuming OutboundContent) -> Void) {
        var written = 0
        while written < target.count, let (copied, isLast) = copyPiece(into: target, at: written) {
            written += copied
            offset += copied
            if isLast { popPiece(spent) }
        }
        pendingBytes -= written
        sentBytes += written
    }

    private func copyPiece(
        into target: UnsafeMutableRawBufferPointer, at place: Int
    ) -> (copied: Int, isLast: Bool)? {
        guard let piece else { return nil }
        let copied = piece.copy(from: offset, into: UnsafeMutableRawBufferPointer(rebasing: target[place...]))
        return (copied, offset + copied == piece.count)
    }

    /// Drops what waits.
    /// - Parameter spent: Takes each piece.
    func drop(spent: (consuming OutboundContent) -> Void) {
        while piece != nil { popPiece(spent) }
        pendingBytes = 0
    }

    private func popPiece(_ spent: (consuming OutboundContent) -> Void) {
        offset = 0
        if let popped = piece.take() { spent(consume popped) }
        piece = more?.popFirst()
    }
}

/// Content to be sent. It is copied once, when it is sent.
package enum OutboundContent: Sendable {
    case buffer(ByteBuffer)
    /// One after the other; others may have them too.
    case arrays([UInt8], [UInt8])

    package var count: Int {
        switch self {
        case .buffer(let buffer): buffer.readableBytes
        case .arrays(let first, let second): first.count + second.count
        }
    }

    /// - Returns: the bytes copied to `target` from `offset` on, as many as there are and fit.
    package func copy(from offset: Int, into target: UnsafeMutableRawBufferPointer) -> Int {
        switch self {
        case .buffer(let buffer): return buffer.withUnsafeReadableBytes { Self.copy($0, from: offset, into: target) }
        case .arrays(let first, let second):
            let copied = offset < first.count ? first.withUnsafeBytes { Self.copy($0, from: offset, into: target) } : 0
            let offset = offset + copied - first.count
            guard offset >= 0, offset < second.count else { return copied }
            let room = UnsafeMutableRawBufferPointer(rebasing: target[copied...])
            return copied + second.withUnsafeBytes { Self.copy($0, from: offset, into: room) }
        }
    }

    private static func copy(_ source: UnsafeRawBufferPointer, from start: Int, into target: UnsafeMutableRawBufferPointer) -> Int {
        let part = UnsafeRawBufferPointer(rebasing: source[start..<min(source.count, start + target.count)])
        target.copyMemory(from: part)
        return part.count
    }

    /// All of it in one buffer.
    package var whole: ByteBuffer {
        if case .buffer(let buffer) = self { return buffer }
        var whole = ByteBufferAllocator().buffer(capacity: count)
        whole.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { copy(from: 0, into: $0) }
        return whole
    }
}

extension OutboundContent: Equatable {
    package static func == (left: OutboundContent, right: OutboundContent) -> Bool { left.whole == right.whole }
}
