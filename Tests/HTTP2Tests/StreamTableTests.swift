import Testing

@testable import HTTP2

@Suite struct StreamTableTests {
    private final class Value: Equatable {
        let number: Int
        init(_ number: Int) { self.number = number }
        static func == (one: Value, other: Value) -> Bool { one === other }
    }

    /// Identifiers that come in order, far apart, and back to front.
    @Test func doesWhatADictionaryDoes() {
        var random = SplitMix64(state: UInt64.random(in: 0...UInt64.max))
        print("seed \(random.state)")
        for step in [2, 256, 65_536] as [StreamID] {
            let table = StreamTable<Value>(capacity: 8)
            var model: [StreamID: Value] = [:]
            for number in 0..<20_000 {
                let id = 1 + step * StreamID.random(in: 0..<200, using: &random)
                if Int.random(in: 0..<5, using: &random) < 2 {
                    let value = Value(number)
                    table.insert(id, value)
                    model[id] = value
                } else {
                    #expect(table.remove(id) == model.removeValue(forKey: id))
                }
                let probe = 1 + step * StreamID.random(in: 0..<200, using: &random)
                #expect(table[probe] == model[probe])
                #expect(table.count == model.count)
            }
            #expect(Set(table.values.map(\.number)) == Set(model.values.map(\.number)))
            table.removeAll()
            #expect(table.count == 0 && table.values.isEmpty && table[1] == nil)
        }
    }

    @Test func letsGoOfWhatItHeld() {
        weak var removed: Value?
        weak var kept: Value?
        do {
            let table = StreamTable<Value>()
            let values = (Value(1), Value(2))
            (removed, kept) = values
            table.insert(1, values.0)
            table.insert(3, values.1)
            table.remove(1)
        }
        #expect(removed == nil && kept == nil)
    }

    @Test func zeroIsNoStream() {
        let table = StreamTable<Value>()
        #expect(table[0] == nil && table.remove(0) == nil)
    }
}
