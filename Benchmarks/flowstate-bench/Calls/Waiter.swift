import Glibc

/// Waits for sockets, to the nanosecond: calls of an open loop are due between poll(2)'s milliseconds, and ppoll(2) and
/// epoll(7) are not in Swift's Glibc.
struct Waiter {
    /// An `fd_set`: one bit a descriptor in words of the machine.
    private struct Set {
        var bits = fd_set()

        mutating func insert(_ descriptor: Int32) {
            withUnsafeMutableBytes(of: &bits) { $0.bindMemory(to: UInt.self)[Int(descriptor) / 64] |= 1 << (descriptor % 64) }
        }

        func contains(_ descriptor: Int32) -> Bool {
            withUnsafeBytes(of: bits) { $0.bindMemory(to: UInt.self)[Int(descriptor) / 64] & 1 << (descriptor % 64) != 0 }
        }
    }

    /// Descriptors from here on cannot be waited for.
    static let limit = Int32(MemoryLayout<fd_set>.size * 8)

    private var readable = Set()
    private var writable = Set()
    private var highest: Int32 = -1

    mutating func add(_ descriptor: Int32, forWriting: Bool) {
        readable.insert(descriptor)
        if forWriting { writable.insert(descriptor) }
        highest = max(highest, descriptor)
    }

    mutating func wait(nanoseconds: Int64) {
        var timeout = timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        // A signal ends the wait early, which does no harm; then nothing is known of the descriptors.
        if pselect(highest + 1, &readable.bits, &writable.bits, nil, &timeout, nil) < 0 { self = Waiter() }
    }

    /// Of the last wait.
    func isReadable(_ descriptor: Int32) -> Bool { readable.contains(descriptor) }
}
