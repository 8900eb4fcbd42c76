import Foundation
import NIOCore
import Protobuf
import Testing
import WireMessages

@testable import FlowstateBench

@Suite struct StateTests {
    private func object(_ state: [UInt8]) -> [String: Any]? {
        (try? JSONSerialization.jsonObject(with: Data(state))) as? [String: Any]
    }

    @Test(arguments: [StateText.smallest, StateText.smallest + 1, 100, 2_048, 100_003])
    func statesAreJSONOfTheExactSize(_ size: Int) {
        var generator = SeededGenerator(seed: 7)
        let state = StateText.make(size: size, using: &generator)
        #expect(state.count == size)
        #expect(object(state)?.keys.sorted() == ["notes", "step"])
    }

    @Test(arguments: [DiscoveryText.smallest, DiscoveryText.smallest + 1, 2_048, 100_000])
    func discoveryStatesAreJSONOfTheExactSize(_ size: Int) {
        var generator = SeededGenerator(seed: 7)
        let state = DiscoveryText.make(size: size, using: &generator)
        #expect(state.count == size)
        #expect(object(state)?["current_phase"] as? String == "data_import")
    }

    @Test func aSeedSaysWhatStatesThereAre() {
        func states(_ seed: UInt64) -> [[UInt8]] {
            var generator = SeededGenerator(seed: seed)
            return StateText.make(5, size: 300, change: 100, using: &generator)
        }
        #expect(states(1) == states(1))
        #expect(states(1) != states(2))
        #expect(Set(states(1)).count == 5)
    }

    @Test(arguments: [0, 1, 10, 50, 100])
    func changeIsTheShareThatDiffers(_ change: Int) {
        var generator = SeededGenerator(seed: 3)
        let states = StateText.make(2, size: 20_000, change: change, using: &generator)
        let differing = zip(states[0], states[1]).enumerated().filter { $1.0 != $1.1 }.map(\.offset)
        // Beside the step number, all within a part that is as long as asked for; some letters in it happen to be the same.
        let inText = differing.filter { $0 >= 30 }
        let span = inText.isEmpty ? 0 : (inText.last ?? 0) - (inText.first ?? 0) + 1
        #expect(span <= 200 * change)
        #expect(inText.count >= 200 * change * 3 / 4)
        #expect(states.allSatisfy { $0.count == 20_000 && object($0) != nil })
    }

    @Test func randomWordsRepeatNothing() {
        var generator = SeededGenerator(seed: 5)
        let text = StateText.text(20_000, random: true, using: &generator)
        let words = String(decoding: text, as: UTF8.self).split(separator: " ").filter { $0.count > 4 }
        #expect(text.count == 20_000 && Set(words).count > words.count * 99 / 100)
        #expect(text.allSatisfy { $0 == UInt8(ascii: " ") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) })
    }

    @Test func aConversationGrowsByAQuestionAndAnAnswerATurn() throws {
        let text = ConversationText(turns: 20, seed: 1)
        let states = (1...20).map { text.state(turn: $0) }
        for (index, state) in states.enumerated() {
            let object = try #require(self.object(state))
            #expect((object["messages"] as? [[String: String]])?.count == 2 * (index + 1))
            #expect(object["turn"] as? Int == index + 1)
        }
        #expect(states.reduce(0) { $0 + $1.count } == text.totalBytes)
    }

    @Test func aConversationKnowsItsStates() throws {
        let text = ConversationText(turns: 3, seed: 1)
        for turn in 1...3 {
            let request = try SaveStateRequest.decode([UInt8](buffer: text.saveBody(turn: turn)))
            #expect(request.change == .state(text.state(turn: turn)))
            var bytes = ByteBuffer(bytes: text.state(turn: turn))
            #expect(text.isState(bytes, ofTurn: turn))
            #expect(!text.isState(bytes, ofTurn: turn % 3 + 1))
            bytes.setInteger(UInt8(ascii: "#"), at: bytes.writerIndex - 3)
            #expect(!text.isState(bytes, ofTurn: turn))
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func theStatesOf500TurnsAre130MegabytesTogether(_ seed: UInt64) {
        #expect(abs(ConversationText(turns: 500, seed: seed).totalBytes - 130_000_000) < 5_000_000)
    }
}
