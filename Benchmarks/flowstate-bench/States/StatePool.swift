import NIOCore
import WireMessages

/// Different states to pick from, each encoded as the field of a request.
struct StatePool: Sendable {
    /// Fewer when they are large, to spare memory.
    private static let mostStates = 256
    private static let memory = 64 << 20

    /// Field 3 of SaveStateRequest, and of CreateFlowRequest too.
    private let bodies: [ByteBuffer]

    /// - Parameter change: How much of the text differs between two of them, in per cent.
    init(size: Int, change: Int, seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let count = min(Self.mostStates, max(Self.memory / size, 1))
        bodies = StateText.make(count, size: size, change: change, using: &generator).map {
            ByteBuffer(bytes: SaveStateRequest(change: .state($0)).encoded())
        }
    }

    func pick(using generator: inout SeededGenerator) -> ByteBuffer {
        bodies[Int.random(in: 0..<bodies.count, using: &generator)]
    }
}
