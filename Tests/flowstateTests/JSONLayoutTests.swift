import TestSupport
import Testing

@testable import flowstate

@Suite struct JSONLayoutTests {
    private func indented(_ text: String) -> String? { JSONLayout.format(Array(text.utf8), .indented) }
    private func compact(_ text: String) -> String? { JSONLayout.format(Array(text.utf8), .compact) }

    @Test func indentsMembersAndElements() {
        #expect(
            indented(#"{"a":[1,{"b":null}],"c":{},"d":[ ]}"#) == """
                {
                  "a": [
                    1,
                    {
                      "b": null
                    }
                  ],
                  "c": {},
                  "d": []
                }
                """)
    }

    @Test(arguments: [
        "123456789012345678901234567890", "-0", "1.000", "1E400", "0.1e-07", "true", "null", #""""#,
        #""\u0000\ud800\/""#, #"{"b":1,"a":2,"b":3}"#, #"[" {[,:]} \" \\"]"#, #""é漢🙂""#,
    ])
    func keepsTokensAsTheyAre(_ text: String) { #expect(compact(text) == text) }

    @Test(arguments: [
        "", " ", "{", "]", "{]", "[}", "[1,]", "[,1]", "{,}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, "{1:2}", "1 2", "[1 2]",
        "[1,,2]", #"{"a" 1}"#, "tru", "truer", "nul", "01", "-", "1.", ".5", "1e", "1e+", "+1", "0x1", "NaN", "'a'",
        #"""#, #""\"#, #""\x""#, #""\u12g4""#, #""\u123""#, "\"\n\"", "\"\u{0}\"", #""a" "b""#, ":", ",", "[1}", "\u{FEFF}1",
        #"{"a":1 "b":2}"#, #"["a":1]"#, "//x\n1", "1\u{A0}",
    ])
    func refusesWhatIsNotJSON(_ text: String) {
        #expect(indented(text) == nil)
        #expect(compact(text) == nil)
    }

    @Test func refusesWhatIsNotUTF8() {
        #expect(JSONLayout.format([0x22, 0xFF, 0x22], .compact) == nil)
        #expect(JSONLayout.format([0x22, 0xED, 0xA0, 0x80, 0x22], .compact) == nil)
    }

    @Test func leavesDeepTextAlone() {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(compact(nested(JSONLayout.maximumDepth)) == nested(JSONLayout.maximumDepth))
        #expect(indented(nested(JSONLayout.maximumDepth + 1)) == nil)
    }

    @Test func escapesWhatATerminalWouldActOn() {
        #expect(compact("\"\u{7F}\u{9B}31m\u{202E}\u{2028}\u{61C}\"") == #""\u007f\u009b31m\u202e\u2028\u061c""#)
        // The same lead bytes, nothing to escape.
        #expect(compact("\"©€ؿ\"") == "\"©€ؿ\"")
    }

    @Test func anyLayoutMeansTheSame() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        for _ in 0..<500 {
            var text = ""
            Self.appendValue(to: &text, depth: 0, &random)
            let plain = compact(text)
            #expect(plain != nil, "seed \(seed): \(text)")
            #expect(indented(text).flatMap(compact) == plain, "seed \(seed)")
            #expect(indented(text).flatMap(indented) == indented(text), "seed \(seed)")
            #expect(plain == Self.withoutSpace(text), "seed \(seed): \(text)")
        }
    }

    /// JSON at random, with white space at random between tokens (and none inside strings).
    private static func appendValue(to text: inout String, depth: Int, _ random: inout SeededGenerator) {
        let spaces = ["", "", " ", "\n", "\t", "\r\n "]
        func space() { text += spaces.randomElement(using: &random) ?? "" }
        space()
        switch Int.random(in: 0..<(depth < 6 ? 4 : 2), using: &random) {
        case 0: text += ["0", "-1.50", "12E+9", "true", "false", "null"].randomElement(using: &random) ?? "0"
        case 1: text += [#""""#, #""a""#, #""\"{[""#, #""\\""#, #""\u0041é:,""#].randomElement(using: &random) ?? #""""#
        case let kind:
            text += kind == 2 ? "[" : "{"
            for index in 0..<Int.random(in: 0..<4, using: &random) {
                if index > 0 { text += "," }
                if kind == 3 {
                    space()
                    text += "\"k\(index % 2)\""
                    space()
                    text += ":"
                }
                appendValue(to: &text, depth: depth + 1, &random)
            }
            space()
            text += kind == 2 ? "]" : "}"
        }
        space()
    }

    /// Strings of the random texts hold no white space, so all of it is between tokens.
    private static func withoutSpace(_ text: String) -> String {
        String(text.unicodeScalars.filter { !" \n\t\r".unicodeScalars.contains($0) }.map(Character.init))
    }
}
