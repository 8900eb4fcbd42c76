import Resources
import Testing

@testable import FlowServer

@Suite struct AllocatorTests {
    /// The settings reach jemalloc only if the program's `malloc_conf` takes the place of the library's.
    @Test(arguments: [("opt.oversize_threshold", 262_144), ("opt.dirty_decay_ms", 1_000), ("opt.muzzy_decay_ms", 0)])
    func isSet(_ name: String, _ value: Int) {
        #expect(Allocator.setting(name, default: -1) == value)
        #expect(Allocator.setting("opt.background_thread", default: false) == true)
        #expect(Allocator.setting("opt.nothing", default: 0) == nil)
    }

    @Test func whatIsFreedIsReturned() {
        let before = ProcessSettings.residentBytes
        var blocks = (0..<200_000).map { [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: 500) }
        let held = ProcessSettings.residentBytes
        #expect(held - before > 80 << 20, "\(blocks.count) blocks")
        blocks = []
        Allocator.trim()
        #expect(held - ProcessSettings.residentBytes > 60 << 20)
    }
}
