import Glibc

/// Waits for sockets with a resolution of nanoseconds: calls of an open loop are due between poll(2)'s milliseconds, and ppoll(2) and
/// epoll(7) are not in Swift's Glibc.
struct Poller {
    /// An `fd_set`: one bit per descriptor, in machine words.
    private struct Set {
        var bits = fd_set()

        subscript(descriptor: Int32) -> Bool {
            get {
                withUnsafeBytes(of: bits) { $0.bindMemory(to: UInt.self)[Int(descriptor) / 64] & 1 << (descriptor % 64) != 0 }
            }
            set {
                withUnsafeMutableBytes(of: &bits) { bits in
                    let words = bits.bindMemory(to: UInt.self)
                    let bit: UInt = 1 << (descriptor % 64)
                    if newValue { words[Int(descriptor) / 64] |= bit } else { words[Int(descriptor) / 64] &= ~bit }
                }
            }
        }
    }

    /// Descriptors from here on cannot be waited for.
    static let limit = Int32(MemoryLayout<fd_set>.size * 8)

    private var reading = Set()
    private var writing = Set()
    private var highest: Int32 = -1
    private var readable = Set()
    private var writable = Set()

    /// Sets what to wait for from now on.
    mutating func watch(_ descriptor: Int32, reading: Bool, writing: Bool) {
        self.reading[descriptor] = reading
        self.writing[descriptor] = writing
        highest = max(highest, descriptor)
    }

    mutating func wait(nanoseconds: Int64) {
        var timeout = timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        (readable, writable) = (reading, writing)
        // A signal ends the wait early, which does no harm; then the state of the descriptors is unknown.
        if pselect(highest + 1, &readable.bits, &writable.bits, nil, &timeout, nil) < 0 { (readable, writable) = (Set(), Set()) }
    }

    /// In the last wait.
    func isReadable(_ descriptor: Int32) -> Bool { readable[descriptor] }
    func isWritable(_ descriptor: Int32) -> Bool { writable[descriptor] }
}
