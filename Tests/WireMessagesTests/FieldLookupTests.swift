import Protobuf
import TestSupport
import Testing
import WireMessages

/// A field's text is found without decoding, as decoding would find it.
@Suite struct FieldLookupTests {
    private func look(_ bytes: [UInt8]) -> String? { bytes.withUnsafeBytes { SaveStateRequest.text(of: "flow_id", in: $0) } }

    @Test func itIsFoundWhereverItStands() {
        let rest = SaveStateRequest(change: .state([UInt8](repeating: 7, count: 100_000)), progress: 1.5, leaseToken: .max).encoded()
        let id = SaveStateRequest(flowID: "é").encoded()
        #expect(look(id + rest) == "é")
        #expect(look(rest + id) == "é")
        #expect(look(rest) == nil)
        #expect(look([]) == nil)
    }

    @Test func theLastOneCounts() throws {
        let bytes = SaveStateRequest(flowID: "one").encoded() + SaveStateRequest(flowID: "two").encoded()
        #expect(look(bytes) == "two")
        #expect(try SaveStateRequest.decode(bytes).flowID == "two")
    }

    @Test(arguments: [
        [0x0A], [0x0A, 5, 1], [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1], [0x0A, 1, 0xFF], [0x0B], [0x80],
    ])
    func whatIsNoMessageHasNone(bytes: [UInt8]) { #expect(look(bytes) == nil) }

    @Test func manyFieldsAreNotWalkedThrough() {
        let id = SaveStateRequest(flowID: "f").encoded()
        let small: [UInt8] = [0x38, 0]
        #expect(look(Array(repeatElement(small, count: 999).joined()) + id) == "f")
        #expect(look(Array(repeatElement(small, count: 1_000).joined()) + id) == nil)
    }

    @Test func itAgreesWithDecoding() {
        let seed = UInt64.random(in: 0...(.max))
        var wire = RandomWire(random: SeededGenerator(seed: seed))
        for _ in 0..<2_000 {
            var bytes = wire.message(SaveStateRequest.descriptor)
            if Bool.random(using: &wire.random), let place = bytes.indices.randomElement(using: &wire.random) {
                bytes[place] = .random(in: 0...255, using: &wire.random)
            }
            guard let decoded = try? SaveStateRequest.decode(bytes) else { continue }
            #expect(look(bytes) ?? "" == decoded.flowID, "seed \(seed)")
        }
    }
}
