import TestSupport
import Testing

@testable import JSON

/// A shallow document is the whole one to whoever looks at it, and of what is not JSON it misses only what nobody looks at.
@Suite struct ShallowDocumentTests {
    private func shallow(_ bytes: [UInt8], depth: Int = 256) -> JSONDocument? {
        try? JSONDocument(shallow: bytes, maximumDepth: depth, .usual)
    }

    /// Everything that can be asked of two values is the same, and of all that is in them.
    private func areSame(_ one: JSONValue, _ other: JSONValue) -> Bool {
        guard one.kind == other.kind, one.text == other.text, one.isEmpty == other.isEmpty, one.count == other.count,
            one.string == other.string, one.double?.bitPattern == other.double?.bitPattern, one.boolean == other.boolean
        else { return false }
        let (members, others) = (Array(one.members), Array(other.members))
        return members.count == others.count && Array(one.elements).count == Array(other.elements).count
            && zip(one.elements, other.elements).allSatisfy(areSame)
            && zip(members, others).allSatisfy { $0.key.text == $1.key.text && areSame($0.value, $1.value) && one[$0.name] != nil }
    }

    @Test func whatIsInTheRootIsReadAndTheRestPassedOver() throws {
        let source = "{\"a\":[1,[2]],\"b\":{ },\"c\":[\n],\"d\":{\"e\":{\"f\":\"]}\\\"\"}},\"g\":-1.50,\"h\":\"x\\u0000\"}"
        let document = try #require(shallow(Array(source.utf8)))
        #expect(document.nodes.count == 13)
        #expect(document.root.members.map(\.value.isOpaque) == [true, false, false, true, false, false])
        #expect(document.root.members.map(\.value.isEmpty) == [false, true, true, false, false, false])
        #expect(areSame(document.root, try parse(source).root) && !document.isFaulty)
        #expect(document.root[try #require(JSONPointer("/d/e/f"))]?.string == "]}\"")
        #expect(document.root[try #require(JSONPointer("/a/1/0"))]?.double == 2)
    }

    @Test(arguments: [UInt64.random(in: 1 ... .max), 4_711])
    func agreesWithTheWholeDocument(seed: UInt64) throws {
        var json = RandomJSON(seed: seed)
        json.repeatsNames = true
        var valid = 0
        for _ in 0..<10_000 {
            let source = json.space() + (json.chance(1, in: 2) ? json.container() : json.value()) + json.space()
            let isDamaged = json.chance(1, in: 3)
            let bytes = isDamaged ? json.damage(Array(source.utf8)) : Array(source.utf8)
            let depth = Int.random(in: 0...7, using: &json.random)
            let whole = try? JSONDocument(bytes, maximumDepth: depth)
            let found = shallow(bytes, depth: depth)
            if let whole {
                valid += 1
                guard let found, areSame(found.root, whole.root), !found.isFaulty else {
                    Issue.record("seed \(seed), depth \(depth): \(text(bytes))")
                    continue
                }
            } else if let found {
                // When everything is looked at it must be noticed; a depth that is exceeded at once.
                _ = areSame(found.root, found.root)
                if !found.isFaulty || !isDamaged { Issue.record("seed \(seed), depth \(depth): \(text(bytes)) passes") }
            }
        }
        #expect(valid > 2_500)
    }

    /// Blocks of 64 bytes are looked at at a time: strings, escapes and brackets at each of their places.
    @Test(arguments: ["\\\"", "\\\\", "\\\\\\\"", "]", "[", "}\\\"{", "é", "\\u005d"]) func placesOfABlock(piece: String) throws {
        for before in 0..<130 {
            for count in [1, 2, 31, 32, 33, 64, 65] {
                let inner = String(repeating: "x", count: before) + String(repeating: piece, count: count)
                for source in [
                    "[[\"\(inner)\"],1]", "{\"\":{\"\(inner)\":{}},\"b\":1}",
                    "[{}\(String(repeating: " ", count: before)),[[\"\(inner)\"]]]",
                ] {
                    let document = try #require(shallow(Array(source.utf8)), "\(source)")
                    #expect(areSame(document.root, try parse(source).root), "\(source)")
                }
            }
        }
    }

    @Test func depthIsBounded() throws {
        let nested = { (depth: Int, opening: String, closing: String) in
            Array((String(repeating: opening, count: depth) + "1" + String(repeating: closing, count: depth)).utf8)
        }
        for (opening, closing) in [("[", "]"), ("{\"a\":", "}"), ("[[],[[]],", "]"), ("[ \"[\" , ", "]")] {
            for depth in 0...200 {
                for limit in [0, 1, 2, 63, 64, 65, 128, 199] {
                    let bytes = nested(depth, opening, closing)
                    let whole = try? JSONDocument(bytes, maximumDepth: limit)
                    #expect((whole == nil) == (shallow(bytes, depth: limit) == nil), "\(depth) × \(opening), at most \(limit)")
                }
            }
            #expect(shallow(nested(10_000, opening, closing)) == nil)
            #expect(shallow(nested(10_000, opening, closing), depth: -1) == nil)
        }
        let deep = try #require(shallow(nested(100_000, "[", "]"), depth: .max))
        #expect(deep.root.text.count == 200_001 && deep.root[0]?[0]?.isEmpty == false && !deep.isFaulty)
        #expect(shallow(Array(String(repeating: "[", count: 1_000_000).utf8)) == nil)
    }

    /// Not JSON where the root is, or not to be passed over.
    @Test(arguments: [
        "", "{", "[", "\"", "{\"a", "{\"a\":", "{\"a\":[", "{\"a\":[]", "{\"a\":[\"", "{\"a\":[\"]}", "{\"a\":[\"\\\"]}", "{\"a\":[}",
        "{\"a\":[}}",
        "{\"a\":{]}", "[[],[]", "[[]]]", "[[1]]]", "[[1],]", "{\"a\":[1],}", "{\"a\":[1]\"b\":1}", "{[1]:1}", "{\"\\x\":[1]}", "[[1] [2]]",
        "[[1]\u{00}]",
        "[[1]]\u{00}", "[[1]]x", "[\"\u{01}\",[1]]", "[01,[1]]", "[[1]]{\"a\":1}", "]", "}", "\\", "[\\]", "[\\\"]",
    ]) func refuses(_ source: String) {
        #expect(shallow(Array(source.utf8)) == nil)
        #expect(JSONText.fault(in: Array(source.utf8), maximumDepth: 256) != nil)
    }

    /// Not JSON in what is passed over: noticed when somebody looks there, and then there is nothing in it.
    @Test(arguments: [
        "[,]", "[[}]", "[:]", "{1}", "[nul]", "[\"\\x\"]", "[\"\n\"]", "[\u{00}]", "{{}}", "[\u{FEFF}]", "[\"a\"\"b\"]", "[\\\"\"\"]",
    ])
    func missesWhatNobodyLooksInto(_ source: String) throws {
        for text in ["[\(source)]", "{\"a\":\(source),\"b\":1}"] {
            let document = try #require(shallow(Array(text.utf8)), "\(text)")
            let part = try #require(document.root[0] ?? document.root["a"])
            #expect(!part.isEmpty && !document.isFaulty)
            #expect(part.count == 0 && document.isFaulty && part["x"] == nil && part[0] == nil)
        }
    }

    @Test(arguments: [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82]] as [[UInt8]]) func brokenUTF8(_ bytes: [UInt8]) {
        let quoted = [0x22] + bytes + [0x22]
        #expect(shallow([0x5B] + quoted + [0x5D]) == nil)
        let nested = shallow([0x5B, 0x5B] + quoted + [0x5D, 0x5D])
        #expect(nested?.root[0]?.count == 0 && nested?.isFaulty == true)
    }

    /// Any bytes at all: it reads them or it does not.
    @Test(arguments: [UInt64.random(in: 1 ... .max)])
    func anyBytes(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let alphabet = Array("\"\"\\\\{}[][],: 1a\u{00}é".utf8)
        for _ in 0..<20_000 {
            let bytes = [0x5B] + (0..<Int.random(in: 0...200, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? 0 }
            guard let found = shallow(bytes) else { continue }
            _ = areSame(found.root, found.root)
            let fault = JSONText.fault(in: bytes, maximumDepth: 256)
            #expect((fault != nil) == found.isFaulty, "seed \(seed): \(text(bytes))")
        }
    }
}
