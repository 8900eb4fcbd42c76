import Testing

@testable import HTTP2

@Suite struct SessionMemoryTests {
    /// Blocks that are held keep what was written into them, whatever happens to others.
    @Test func blocksKeepTheirContent() throws {
        var random = SplitMix64(state: UInt64.random(in: 0...UInt64.max))
        print("seed \(random.state)")
        let memory = SessionMemory()
        var held: [(block: UnsafeMutableRawPointer, size: Int, mark: UInt8)] = []
        func fill(_ block: UnsafeMutableRawPointer, _ size: Int, _ mark: UInt8) {
            block.initializeMemory(as: UInt8.self, repeating: mark, count: size)
            held.append((block, size, mark))
        }
        for _ in 0..<40_000 {
            let size = Int.random(in: 0...(Bool.random(using: &random) ? 100 : 2_000), using: &random)
            let mark = UInt8.random(in: 1...255, using: &random)
            let choice = held.isEmpty || held.count < 50 ? 0 : Int.random(in: 0..<8, using: &random)
            switch choice {
            case 0, 1:
                let block = try #require(memory.allocate(size))
                #expect(UInt(bitPattern: block) % 16 == 0)
                fill(block, size, mark)
            case 2:
                let block = try #require(memory.allocateZeroed(size, 1))
                #expect(UnsafeRawBufferPointer(start: block, count: size).allSatisfy { $0 == 0 })
                fill(block, size, mark)
            case 3: memory.trim()
            default:
                let (block, oldSize, oldMark) = held.remove(at: Int.random(in: 0..<held.count, using: &random))
                #expect(UnsafeRawBufferPointer(start: block, count: oldSize).allSatisfy { $0 == oldMark })
                if choice < 7 {
                    memory.release(block)
                } else {
                    let moved = try #require(memory.resize(block, size))
                    let kept = UnsafeRawBufferPointer(start: moved, count: min(size, oldSize))
                    #expect(kept.allSatisfy { $0 == oldMark })
                    fill(moved, size, mark)
                }
            }
        }
        for (block, size, mark) in held {
            #expect(UnsafeRawBufferPointer(start: block, count: size).allSatisfy { $0 == mark })
            memory.release(block)
        }
    }

    @Test func sizesThatCannotBeAreRefused() {
        let memory = SessionMemory()
        #expect(memory.allocate(-1) == nil)
        #expect(memory.allocate(.max) == nil)
        #expect(memory.allocateZeroed(.max, 2) == nil)
        #expect(memory.allocateZeroed(1 << 40, 1 << 40) == nil)
        memory.release(nil)
    }
}
