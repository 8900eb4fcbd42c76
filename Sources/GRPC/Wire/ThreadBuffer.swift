import NIOCore
import NIOPosix

/// The buffer that the connections of one event loop read into, or write from, one after the other. A read that is handled at once and a
/// write that the socket takes at once, as nearly all are, need no memory of their own, and an idle connection holds none.
///
/// `@unchecked Sendable`: `ofThisThread` makes one for each thread and returns it on that thread only.
final class ThreadBuffer: @unchecked Sendable {
    private static let inputs = ThreadSpecificVariable<ThreadBuffer>()
    private static let outputs = ThreadSpecificVariable<ThreadBuffer>()
    /// A buffer that has grown beyond this is not kept.
    static let maxCapacity = 256 << 10

    private let capacity: Int
    private var buffer = ByteBuffer()

    private init(_ capacity: Int) { self.capacity = capacity }

    /// For a read.
    static var input: ThreadBuffer { ofThisThread(inputs, 64 << 10) }
    /// For a write.
    static var output: ThreadBuffer { ofThisThread(outputs, 16 << 10) }

    private static func ofThisThread(_ variable: ThreadSpecificVariable<ThreadBuffer>, _ capacity: Int) -> ThreadBuffer {
        if let known = variable.currentValue { return known }
        let new = ThreadBuffer(capacity)
        variable.currentValue = new
        return new
    }

    /// An empty buffer. `clear` allocates a new one if the last one is still in use.
    func take() -> ByteBuffer {
        var taken = ByteBuffer()
        swap(&taken, &buffer)
        taken.clear(minimumCapacity: capacity)
        return taken
    }

    func putBack(_ buffer: ByteBuffer) {
        if buffer.capacity >= capacity, buffer.capacity <= Self.maxCapacity { self.buffer = buffer }
    }
}
