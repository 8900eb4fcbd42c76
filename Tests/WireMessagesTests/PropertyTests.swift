import Protobuf
import TestSupport
import Testing
import WireMessages

@Suite struct PropertyTests {
    @Test(arguments: [UInt64.random(in: .min ... .max)])
    func everyMessageSurvivesDecodeAndEncode(seed: UInt64) throws {
        print("seed \(seed)")
        var wire = RandomWire(random: SeededGenerator(seed: seed))
        for type in FlowStateProto.messages {
            for _ in 0..<50 {
                let bytes = wire.message(type.descriptor)
                let survived = try type.decode(bytes).encoded() == bytes
                #expect(survived, "\(type.fullName), seed \(seed)")
            }
        }
    }

    /// Whatever arrives is decoded or refused; what is decoded can be encoded and decoded again. The fixed seeds once found
    /// durations beyond protobuf's range that changed on their way.
    @Test(arguments: [UInt64.random(in: .min ... .max), 12_854_095_787_970_802_405, 5_545_689_923_405_194_483])
    func noBytesDoHarm(seed: UInt64) throws {
        print("seed \(seed)")
        var wire = RandomWire(random: SeededGenerator(seed: seed))
        var decoded = 0
        let types = FlowStateProto.messages
        for round in 0..<100_000 {
            let type = types[round % types.count]
            var bytes = wire.message(type.descriptor)
            mutate(&bytes, &wire.random)
            let ceiling = Int.random(in: 0...9, using: &wire.random) == 0 ? Int.random(in: 0...4000, using: &wire.random) : nil
            guard let message = try? type.decode(bytes, ceiling: ceiling) else { continue }
            decoded += 1
            let encoded = message.encoded()
            let again = try type.decode(encoded).encoded()
            if again != encoded { Issue.record("\(type.fullName), seed \(seed), round \(round)") }
        }
        #expect(decoded > 1000)
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        switch Int.random(in: 0...3, using: &random) {
        case 0: bytes = (0..<Int.random(in: 0...200, using: &random)).map { _ in .random(in: .min ... .max, using: &random) }
        case 1: bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
        case 2: bytes += bytes.suffix(Int.random(in: 0...bytes.count, using: &random))
        default:
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                guard let index = bytes.indices.randomElement(using: &random) else { return }
                bytes[index] = .random(in: .min ... .max, using: &random)
            }
        }
    }
}
