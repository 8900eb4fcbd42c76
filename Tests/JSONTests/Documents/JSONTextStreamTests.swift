import TestSupport
import Testing

@testable import JSON

/// The verdict on a text that comes in pieces is that on the whole text (`JSONText.fault`), however it is cut.
struct JSONTextStreamTests {
    private func fault(_ bytes: [UInt8], cutBefore places: [Int], depth: Int = 256) -> JSONText.Fault? {
        var stream = JSONTextStream(maximumDepth: depth)
        var start = 0
        for place in places.sorted() + [bytes.count] {
            _ = stream.take(Array(bytes[start..<place]))
            start = place
        }
        return stream.end()
    }

    @Test(arguments: [
        "{}", "[]", "null", "true", "false", "0", "-0", "1.5e+10", "\"\"", " \t\r\n[ 1 , 2 ]\n", "{\"a\":{\"a\":[{}]},\"a\":1}",
        "\"\\u0000\"", "\"\\ud800\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\u{7F}\u{80}\u{7FF}\u{800}\u{D7FF}\u{E000}\u{10000}\u{10FFFF}\"",
        "1e400",
        "[1e5,-0.0,0e-0]", "",
        " ", "nul", "nulL", "True", "NaN", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "1e+-1", "1.e1", "0x1", "1 2", "[1,]", "[,1]",
        "[1 2]", "[", "]", "{", "}", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "[1}", "{\"a\":1]", "\"", "\"a", "\"\\",
        "\"\\u", "\"\\u12\"", "\"\\ud8zz\"", "\"\\x\"", "\"\u{01}\"", "\"\n\"", "1\u{00}", "\u{FEFF}{}", "// c\n1", "[1]]", "{}{}", "1,2",
        "\u{A0}1", "{\"a\":1 \"b\":2}", "{\"a\" 1}", "truefalse", "1true", "nullnull", "[1-2]",
    ]) func agreesWhereverItIsCut(_ text: String) {
        let bytes = Array(text.utf8)
        let whole = JSONText.fault(in: bytes, maximumDepth: 256)
        for place in bytes.indices {
            #expect((fault(bytes, cutBefore: [place]) == nil) == (whole == nil), "\(text) cut before \(place)")
        }
        #expect((fault(bytes, cutBefore: Array(bytes.indices)) == nil) == (whole == nil))
        #expect((fault(bytes, cutBefore: []) == nil) == (whole == nil))
    }

    @Test(
        arguments: [
            [0xFF], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF8], [0x80],
            [0xE2, 0x82], [0xF0, 0x9F, 0x98], [0xF0, 0x8F, 0xBF, 0xBF], [0xC2],
        ] as [[UInt8]]) func refusesBrokenUTF8(_ bytes: [UInt8])
    {
        for text in [[0x22] + bytes + [0x22], [0x22] + bytes, bytes] {
            #expect(fault(text, cutBefore: []) != nil && fault(text, cutBefore: Array(text.indices)) != nil)
        }
    }

    @Test func agreesOnRandomTexts() {
        let seed = UInt64.random(in: 1 ... .max)
        var random = SeededGenerator(seed: seed)
        for _ in 0..<30_000 {
            let text = JSONOracleTests.text(&random)
            let places = (0..<Int.random(in: 0...4, using: &random)).map { _ in Int.random(in: 0...text.count, using: &random) }
            let (whole, cut) = (JSONText.fault(in: text, maximumDepth: 4), fault(text, cutBefore: places, depth: 4))
            #expect((whole == nil) == (cut == nil), "seed \(seed): \(text) \(String(decoding: text, as: UTF8.self))")
        }
    }

    @Test func theDepthIsBounded() {
        for (opening, closing) in [("[", "]"), ("{\"a\":", "}")] {
            for depth in [3, 4, 5] {
                let text = String(repeating: opening, count: depth) + "1" + String(repeating: closing, count: depth)
                #expect(fault(Array(text.utf8), cutBefore: [2], depth: 4)?.isTooDeep == (depth == 5 ? true : nil))
            }
        }
        #expect(fault(Array("1".utf8), cutBefore: [], depth: 0) == nil)
    }

    @Test func aFaultHasAPosition() throws {
        let bytes = Array("{\n  \"é🦊\": [1,\n  2 3]\n}".utf8)
        for place in bytes.indices {
            #expect(fault(bytes, cutBefore: [place])?.description == "line 3, column 5 (byte 22): expected ',' or ']'")
        }
        #expect(fault(Array("[\"🦊\"x".utf8), cutBefore: [3, 4])?.description == "line 1, column 5 (byte 7): expected ',' or ']'")
        #expect(fault(Array("{\"a\"".utf8), cutBefore: [])?.message == "the text ends too early")
        #expect(fault([], cutBefore: [])?.message == "the text is empty")
    }

    @Test func aFaultStays() {
        var stream = JSONTextStream(maximumDepth: 1)
        let first = stream.take(Array("x".utf8))
        #expect(first != nil && stream.take(Array("[]".utf8)) == first && stream.end() == first)
    }
}
