import TestSupport
import Testing

@testable import JSON

struct JSONStringTests {
    private func value(_ spelled: String) throws -> JSONValue { try parse(spelled).root }

    @Test(arguments: [
        ("\"\"", ""), ("\"a\"", "a"), ("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\u{08}\u{0C}\n\r\t"), ("\"\\u0041\\u00e9\\u00E9\"", "Aéé"),
        ("\"\\uD83D\\uDE00\"", "😀"), ("\"😀\\n😀\"", "😀\n😀"), ("\"\\u0000\"", "\0"), ("\"\\\\u0041\"", "\\u0041"),
        ("\"\\uabCD\"", "\u{ABCD}"), ("\"\u{7F}\u{FFFF}\"", "\u{7F}\u{FFFF}"),
        // Halves without the other: no `String` can hold them.
        ("\"\\ud800\"", "\u{FFFD}"), ("\"\\udc00\\ud800\"", "\u{FFFD}\u{FFFD}"), ("\"\\ud83d\\ud83d\\ude00\"", "\u{FFFD}😀"),
        ("\"\\ud83dx\\ude00\"", "\u{FFFD}x\u{FFFD}"),
    ]) func decodes(_ spelled: String, _ characters: String) throws {
        let text = try value(spelled).text
        #expect(Array(JSONString.decode(text).utf8) == Array(characters.utf8))
        #expect(JSONString.isEqual(text, characters))
        #expect(!JSONString.isEqual(text, characters + "x") && !JSONString.isEqual(text, "x" + characters))
    }

    @Test func namesAreComparedByBytes() throws {
        // Characters that Unicode holds for the same are different names in JSON.
        #expect(!JSONString.isEqual(try value("\"\u{E9}\"").text, "e\u{301}"))
        #expect(!JSONString.isEqual(try value("\"\\n\"").text, "\\n"))
        #expect(!JSONString.isEqual(try value("\"ab\"").text, "a"))
        #expect(!JSONString.isEqual(try value("\"a\"").text, "ab"))
        #expect(try parse("{\"\u{E9}\":1}").root["e\u{301}"] == nil)
    }

    @Test(arguments: [
        ("\"\"", "\"\"", true), ("\"a\"", "\"\\u0061\"", true), ("\"/\"", "\"\\/\"", true), ("\"😀\"", "\"\\ud83d\\ude00\"", true),
        ("\"a\"", "\"A\"", false), ("\"\\ud800\"", "\"\\uD800\"", true), ("\"\\ud800\"", "\"\\ud801\"", false),
        ("\"\\ud800\"", "\"\u{FFFD}\"", false), ("\"\\n\"", "\"\\\\n\"", false), ("\"\\u0000\"", "\"\"", false),
        ("\"\\ud83dx\"", "\"\\ud83d\\ude00\"", false),
    ]) func equality(_ one: String, _ other: String, _ isEqual: Bool) throws {
        let (one, other) = (try value(one).text, try value(other).text)
        #expect(JSONString.areEqual(one, other) == isEqual && JSONString.areEqual(other, one) == isEqual)
        #expect((JSONName(spelled: one) == JSONName(spelled: other)) == isEqual)
    }

    @Test func whatIsSpelledIsReadBack() throws {
        let all = (0...0x1FF).compactMap(Unicode.Scalar.init).map(String.init) + ["\u{FFFD}", "😀", "\"\\/", "e\u{301}", ""]
        for characters in all + [all.joined()] {
            let spelled = JSONString.spell(characters)
            #expect(JSONString.decode(try parse(spelled).root.text).utf8.elementsEqual(characters.utf8))
        }
        #expect(text(JSONString.spell("é/\u{1F}\u{7F}\n\t\r\u{08}")) == "\"é/\\u001f\u{7F}\\n\\t\\r\\u0008\"")
    }

    @Test(arguments: [UInt64.random(in: 1 ... .max)])
    func namesKeepEveryCodeUnit(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<5_000 {
            let units = (0..<Int.random(in: 0...4, using: &random)).map { _ in
                UInt16.random(in: [0...0xFF, 0xD7FF...0xE000, 0...0xFFFF].randomElement(using: &random) ?? 0...0, using: &random)
            }
            let spelled = "\"" + units.map { "\\u" + String(0x10000 + Int($0), radix: 16).dropFirst() }.joined() + "\""
            let name = JSONName(spelled: Array(spelled.utf8)[...])
            // The name's own spelling is JSON, and means the same.
            let again = try parse(name.spelled).root.text
            #expect(JSONString.units(again) == units && JSONName(spelled: again) == name, "seed \(seed): \(spelled)")
        }
    }
}

struct JSONNumberTests {
    private func number(_ spelled: String) throws -> ArraySlice<UInt8> { try parse(spelled).root.text }

    @Test(arguments: [
        ["0", "-0", "0.0", "-0.000e5", "0e99999999999999999999", "0E-7"], ["1", "1.0", "10e-1", "0.1e1", "0.001E+3", "1000e-3"],
        ["100", "1E+2", "1e2", "100.00", "0.1e3", "1e+0000000000000000000000000000002"], ["-1.5", "-15e-1", "-0.15E1"],
        ["1e400", "10e399", "0.1e401"], ["1e-400", "0.1e-399"], ["123456789012345678901234567890", "123456789012345678901234567890.0"],
        ["1e99999999999999999999"], ["10e99999999999999999999"], ["0.1", "1e-1"], ["0.10000000000000000001"], ["-1"], ["12"], ["21"],
        ["123456789012345678901234567891"], ["1e9223372036854775807"], ["-1e400"], ["1e-9223372036854775808"],
    ]) func spellingsOfOneNumberAreEqualAndOfNoOther(_ spellings: [String]) throws {
        let others = [
            "0.5", "2", "-100", "1e401", "1e-401", "123456789012345678901234567892", "1e99999999999999999998", "0.11", "1000", "9",
        ]
        for one in spellings {
            for other in spellings {
                #expect(JSONNumber.areEqual(try number(one), try number(other)), "\(one) \(other)")
                #expect(try hash(one) == hash(other), "\(one) \(other)")
            }
            for other in others { #expect(!JSONNumber.areEqual(try number(one), try number(other)), "\(one) \(other)") }
        }
    }

    private func hash(_ spelled: String) throws -> Int {
        var hasher = Hasher()
        JSONNumber.hash(try number(spelled), into: &hasher)
        return hasher.finalize()
    }

    @Test func doubles() throws {
        let double = { (text: String) in try parse(text).root.double }
        #expect(try double("1e400") == .infinity && double("-1e400") == -.infinity && double("1e-400") == 0)
        #expect(try double("1E+2") == 100 && double("0.1") == 0.1 && double("-0")?.sign == .minus)
        #expect(try double("123456789012345678901234567890") == 123456789012345678901234567890.0)
        #expect(try double("1e99999999999999999999") == .infinity && double("1e-99999999999999999999") == 0)
        #expect(try double("1.7976931348623157e308") == .greatestFiniteMagnitude && double("5e-324") == .leastNonzeroMagnitude)
        #expect(try double("1" + String(repeating: "0", count: 1_000)) == .infinity)
        #expect(try double("0." + String(repeating: "3", count: 100_000)) == 1.0 / 3.0)
    }
}

struct JSONPointerTests {
    /// The document and the places of RFC 6901 §5.
    @Test func examplesOfTheRFC() throws {
        let source = """
            {"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\\\j": 5, "k\\"l": 6, " ": 7, "m~n": 8}
            """
        let root = try parse(source).root
        let expected = [
            "": source, "/foo": "[\"bar\", \"baz\"]", "/foo/0": "\"bar\"", "/": "0", "/a~1b": "1", "/c%d": "2", "/e^f": "3",
            "/g|h": "4", "/i\\j": "5", "/k\"l": "6", "/ ": "7", "/m~0n": "8",
        ]
        for (pointer, found) in expected {
            let place = try #require(JSONPointer(pointer))
            #expect(root[place].map { text($0.text) } == found, "\(pointer)")
            #expect(place.description == pointer)
        }
    }

    @Test(arguments: ["a", "a/b", "/~", "/~2", "/a~", "/~~0", "#/a", " /a"])
    func refuses(_ pointer: String) { #expect(JSONPointer(pointer) == nil) }

    @Test func tokens() {
        #expect(JSONPointer("/")?.tokens == [""] && JSONPointer("//")?.tokens == ["", ""] && JSONPointer("")?.tokens == [])
        #expect(JSONPointer("/~01/~10")?.tokens == ["~1", "/0"])
        #expect(JSONPointer(["~/", "é"]).description == "/~0~1/é")
        #expect(JSONPointer.root.appending("a").appending("0") == JSONPointer("/a/0"))
    }

    @Test func places() throws {
        #expect(["0", "7", "10"].map(JSONPointer.place) == [0, 7, 10])
        for token in ["", "-", "-1", "+1", "00", "01", "1e0", "1.0", " 1", "٣", "99999999999999999999"] {
            #expect(JSONPointer.place(token) == nil, "\(token)")
        }
        let root = try parse("{\"a\":[1],\"0\":2}").root
        for pointer in ["/a/1", "/a/-", "/a/00", "/b", "/a/0/0", "/0/0", "/a/"] {
            #expect(root[try #require(JSONPointer(pointer))] == nil, "\(pointer)")
        }
        #expect(root[try #require(JSONPointer("/0"))]?.double == 2)
    }
}
