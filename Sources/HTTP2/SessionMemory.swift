import CNGHTTP2

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// The memory of one nghttp2 session. nghttp2 allocates eight small blocks a request and frees them at its end; with many requests in
/// progress they are too many for malloc's quick lists. Here a freed block is kept for the next request, up to `maxKept` bytes, until
/// `trim`.
///
/// For one thread at a time, like the session. An object that keeps a buffer of nghttp2 (`HeaderReader`) keeps this too.
final class SessionMemory {
    /// Precedes every block and holds its capacity; keeps the alignment of malloc.
    private static let header = 16
    private static let step = 64
    private static let maxSmall = 512
    private static let maxKept = 64 << 10

    /// Freed blocks by capacity, in steps of `step`; each block begins with the address of the next one. Owned.
    private let kept = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: maxSmall / step + 1)
    private var keptBytes = 0
    /// Bytes that malloc has allocated, including the blocks that are kept.
    private(set) var allocatedBytes = 0

    init() { kept.initialize(repeating: nil, count: Self.maxSmall / Self.step + 1) }

    deinit {
        trim()
        kept.deallocate()
    }

    /// Frees the blocks that are kept.
    func trim() {
        for list in 0...Self.maxSmall / Self.step {
            while let block = kept[list] {
                kept[list] = block.load(as: UnsafeMutableRawPointer?.self)
                giveBack(block, Self.capacity(block))
            }
        }
        keptBytes = 0
    }

    func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
        // A size_t beyond Int.max arrives as a negative number.
        guard size >= 0, size <= Int.max - Self.step - Self.header else { return nil }
        let capacity = max(size + Self.step - 1, Self.step) & ~(Self.step - 1)
        if capacity <= Self.maxSmall, let block = kept[capacity / Self.step] {
            kept[capacity / Self.step] = block.load(as: UnsafeMutableRawPointer?.self)
            keptBytes -= capacity
            return block
        }
        guard let memory = malloc(capacity + Self.header) else { return nil }
        memory.storeBytes(of: capacity, as: Int.self)
        allocatedBytes += capacity + Self.header
        return memory + Self.header
    }

    func release(_ block: UnsafeMutableRawPointer?) {
        guard let block else { return }
        let capacity = Self.capacity(block)
        guard capacity <= Self.maxSmall, keptBytes + capacity <= Self.maxKept else { return giveBack(block, capacity) }
        block.storeBytes(of: kept[capacity / Self.step], as: UnsafeMutableRawPointer?.self)
        kept[capacity / Self.step] = block
        keptBytes += capacity
    }

    private func giveBack(_ block: UnsafeMutableRawPointer, _ capacity: Int) {
        allocatedBytes -= capacity + Self.header
        free(block - Self.header)
    }

    func resize(_ block: UnsafeMutableRawPointer?, _ size: Int) -> UnsafeMutableRawPointer? {
        guard let block else { return allocate(size) }
        let capacity = Self.capacity(block)
        if size >= 0, size <= capacity { return block }
        guard let new = allocate(size) else { return nil }
        new.copyMemory(from: block, byteCount: capacity)
        release(block)
        return new
    }

    func allocateZeroed(_ count: Int, _ size: Int) -> UnsafeMutableRawPointer? {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
        guard count >= 0, size >= 0, !overflow, let block = allocate(bytes) else { return nil }
        memset(block, 0, bytes)
        return block
    }

    private static func capacity(_ block: UnsafeMutableRawPointer) -> Int { (block - header).load(as: Int.self) }

    /// The functions for nghttp2, which copies them; this object must outlive all that they allocate.
    var functions: nghttp2_mem {
        nghttp2_mem(
            mem_user_data: Unmanaged.passUnretained(self).toOpaque(),
            malloc: { size, memory in with(memory) { $0.allocate(size) } },
            free: { block, memory in with(memory) { $0.release(block) } },
            calloc: { count, size, memory in with(memory) { $0.allocateZeroed(count, size) } },
            realloc: { block, size, memory in with(memory) { $0.resize(block, size) } })
    }
}

/// Never nil: nghttp2 passes back what `functions` gave it.
private func with<R>(_ memory: UnsafeMutableRawPointer?, _ body: (SessionMemory) -> R) -> R {
    guard let memory else { preconditionFailure("nghttp2 lost the memory that it was given") }
    return Unmanaged<SessionMemory>.fromOpaque(memory)._withUnsafeGuaranteedRef(body)
}
