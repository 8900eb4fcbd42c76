import TestSupport
import Testing

@testable import JSON

struct JSONDocumentTests {
    @Test func everyValueHasItsPlace() throws {
        let source = " \t\r\n{ \"a\" :\n[ 1 , -2.5e+3 ,\t\"x\\\"]\" , { } , [ ] ] , \"b\" : null , \"\" : true } \r\n"
        let root = try parse(source).root
        #expect(root.kind == .object && root.count == 3 && !root.isEmpty)
        #expect(root.members.map(\.name) == ["a", "b", ""])
        #expect(root.members.map { text($0.key.text) } == ["\"a\"", "\"b\"", "\"\""])
        let array = try #require(root["a"])
        #expect(array.kind == .array && array.count == 5)
        #expect(array.elements.map { text($0.text) } == ["1", "-2.5e+3", "\"x\\\"]\"", "{ }", "[ ]"])
        #expect(text(array.text) == "[ 1 , -2.5e+3 ,\t\"x\\\"]\" , { } , [ ] ]")
        #expect(text(root.text) == source.trimmingSpace)
        #expect(array[2]?.string == "x\"]" && array[5] == nil && array[-1] == nil)
        #expect(root["b"]?.kind == .null && root[""]?.boolean == true && root["c"] == nil)
        #expect(root[0] == nil && array["a"] == nil)
        #expect(Array(try #require(root["b"]).elements).isEmpty)
    }

    @Test(arguments: ["1", " 1", "1 ", "\"\"", "[]", "{}", "null", "true", "false", "-0", " [ ] ", "\n{\t}\r"])
    func aRootStandsAlone(_ source: String) throws {
        let root = try parse(source).root
        #expect(text(root.text) == source.trimmingSpace)
        #expect(root.count == 0 && Array(root.elements).isEmpty && Array(root.members).isEmpty)
    }

    @Test func kindsAndScalars() throws {
        let root = try parse("[null,true,false,0,\"\",[],{}]").root
        #expect(root.elements.map(\.kind) == [.null, .boolean, .boolean, .number, .string, .array, .object])
        #expect(root.elements.map(\.kind.name) == ["null", "boolean", "boolean", "number", "string", "array", "object"])
        #expect(root.elements.map(\.boolean) == [nil, true, false, nil, nil, nil, nil])
        #expect(root.elements.map(\.string) == [nil, nil, nil, nil, "", nil, nil])
        #expect(root.elements.map(\.double) == [nil, nil, nil, 0, nil, nil, nil])
        #expect(root.elements.map(\.isEmpty) == [true, false, false, false, true, true, true])
        #expect(try parse("[0]").root.isEmpty == false && parse("{\"\":0}").root.isEmpty == false)
    }

    @Test func theLastOfRepeatedNamesCounts() throws {
        let root = try parse("{\"a\":1,\"\\u0061\":2,\"b\":3,\"a\":{\"a\":4}}").root
        #expect(root["a"]?.kind == .object && root.count == 4 && root.members.map(\.name) == ["a", "a", "b", "a"])
    }

    @Test func heights() throws {
        #expect(try parse("1").root.height == 0 && parse("[]").root.height == 1 && parse("{\"a\":1}").root.height == 1)
        let root = try parse("[1,[[]],{\"a\":[{\"b\":[]},[]],\"c\":[]},[]]").root
        #expect(root.height == 5 && root.elements.map(\.height) == [0, 2, 4, 1])
        let deep = String(repeating: "[", count: 256) + String(repeating: "]", count: 256)
        #expect(try parse(deep).root.height == 256)
    }

    @Test func depthIsBounded() throws {
        for (opening, closing) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = { (depth: Int) in
                Array((String(repeating: opening, count: depth) + "1" + String(repeating: closing, count: depth)).utf8)
            }
            #expect(try JSONDocument(deep(3), maximumDepth: 3).root.height == 3)
            #expect(throws: try #require(JSONText.fault(in: deep(4), maximumDepth: 3))) { try JSONDocument(deep(4), maximumDepth: 3) }
            #expect(try JSONDocument(deep(100_000), maximumDepth: .max).root.height == 100_000)
            #expect(throws: JSONText.Fault.self) { try JSONDocument(deep(1), maximumDepth: 0) }
            #expect(throws: JSONText.Fault.self) { try JSONDocument(deep(1), maximumDepth: -1) }
        }
        #expect(try JSONDocument(Array("1".utf8), maximumDepth: 0).root.kind == .number)
    }

    @Test(arguments: ["1\u{00}", "\u{00}", "[1\u{00}]", "[\u{00}1]", "\"\u{00}\"", "{\"a\u{00}\":1}", "{}\u{00}", "[1,\u{00}", ""])
    func aNULEndsNothing(_ source: String) throws {
        let bytes = Array(source.utf8)
        let fault = try #require(JSONText.fault(in: bytes, maximumDepth: 256))
        #expect(throws: fault) { try JSONDocument(bytes, maximumDepth: 256) }
    }

    @Test func largeTexts() throws {
        let many = try parse("[" + String(repeating: "0,", count: 500_000) + "{\"a\":[0]}]").root
        #expect(many.count == 500_001 && many[500_000]?["a"]?[0]?.double == 0)
        let long = try parse("[\"" + String(repeating: "x\\n", count: 500_000) + "\"]").root
        #expect(long[0]?.string?.utf8.count == 1_000_000)
    }

    /// The document and the check read the same grammar; and a document written out again, compact, is the text without its white space.
    @Test(arguments: [UInt64.random(in: 1 ... .max), 4_711])
    func agreesWithTheCheck(seed: UInt64) throws {
        var json = RandomJSON(seed: seed)
        json.repeatsNames = true
        var valid = 0
        for _ in 0..<20_000 {
            let source = json.space() + json.value() + json.space()
            var bytes = Array(source.utf8)
            if Bool.random(using: &json.random) { bytes = json.damage(bytes) }
            let depth = Int.random(in: 0...6, using: &json.random)
            let fault = JSONText.fault(in: bytes, maximumDepth: depth)
            do throws(JSONText.Fault) {
                let document = try JSONDocument(bytes, maximumDepth: depth)
                valid += 1
                if fault != nil || compact(document.root) != bytes.withoutSpace || document.root.height > depth {
                    Issue.record("seed \(seed): \(text(bytes))")
                }
            } catch {
                if error != fault { Issue.record("seed \(seed): \(text(bytes)) has \(error), not \(String(describing: fault))") }
            }
        }
        #expect(valid > 2_000)
    }

    private func compact(_ value: JSONValue) -> [UInt8] {
        switch value.kind {
        case .array: Array("[".utf8) + value.elements.map(compact).joined(separator: Array(",".utf8)) + Array("]".utf8)
        case .object:
            Array("{".utf8)
                + value.members.map { $0.key.text + Array(":".utf8) + compact($0.value) }.joined(separator: Array(",".utf8))
                + Array("}".utf8)
        default: Array(value.text)
        }
    }
}

extension [UInt8] {
    /// Without the white space between tokens.
    fileprivate var withoutSpace: [UInt8] {
        var (isString, isEscaped) = (false, false)
        return filter { byte in
            defer {
                if byte == UInt8(ascii: "\""), !isEscaped { isString.toggle() }
                isEscaped = isString && byte == UInt8(ascii: "\\") && !isEscaped
            }
            return isString || ![0x20, 0x09, 0x0A, 0x0D].contains(byte)
        }
    }
}

extension String {
    /// "\r\n" is one character, so bytes are looked at.
    fileprivate var trimmingSpace: String {
        let isSpace = { (byte: UInt8) in [0x20, 0x09, 0x0A, 0x0D].contains(byte) }
        return String(decoding: utf8.drop(while: isSpace).reversed().drop(while: isSpace).reversed(), as: UTF8.self)
    }
}
