import Foundation
import TestSupport
import Testing

@testable import JSON

struct JSONTextTests {
    private func fault(_ text: String, depth: Int = 256) -> JSONText.Fault? {
        JSONText.fault(in: Array(text.utf8), maximumDepth: depth)
    }

    @Test(arguments: [
        "{}", "[]", "null", "true", "false", "0", "-0", "1.5e+10", "\"\"", " \t\r\n[ 1 , 2 ]\n", "{\"a\":{\"a\":[{}]},\"a\":1}",
        "\"\\u0000\"", "\"\\ud800\"", "\"\\uDBFF\\uD800\"", "\"\\udc00\\ud800x\"", "\"\\uD83D\\uDE00\"", "\"\\\\ud800\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\u{7F}\u{80}\u{10FFFF}\"", "1e400", "-1e-400", "123456789012345678901234567890",
        "1e99999999999999999999", "0.00000000000000000000000000000000001", "\"0123456789 \\u0123456789\"",
    ]) func accepts(_ text: String) {
        #expect(fault(text) == nil)
    }

    @Test(arguments: [
        "", " ", "nul", "nulL", "tru", "True", "NaN", "Infinity", "-Infinity", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "0x1",
        "1 2", "[1,]", "[,1]", "[1 2]", "[", "]", "{", "}", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}", "{1:1}",
        "[1}", "\"", "\"a", "\"\\", "\"\\u", "\"\\u12\"", "\"\\ud8\"", "\"\\ud8zz\"", "\"\\x\"", "\"\u{01}\"", "\"\n\"", "\"\u{00}\"",
        "1\u{00}", "\u{FEFF}{}", "// c\n1", "/* c */1", "[1]]", "{}{}", "\"a\" \"b\"", "1_000", "1,2", "\u{A0}1",
    ]) func refuses(_ text: String) {
        #expect(fault(text) != nil)
    }

    @Test(
        arguments: [
            [0xFF], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF8], [0x80],
            [0xE2, 0x82],
            [0xF0, 0x9F, 0x98],
        ] as [[UInt8]]) func refusesBrokenUTF8(_ bytes: [UInt8])
    {
        #expect(JSONText.fault(in: [0x22] + bytes + [0x22], maximumDepth: 256)?.message == "invalid UTF-8 in a string")
        #expect(JSONText.fault(in: [0x22] + bytes, maximumDepth: 256) != nil)
        #expect(JSONText.fault(in: bytes, maximumDepth: 256) != nil)
    }

    @Test func depthIsBoundedAndNothingRecurses() {
        for (opening, closing) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = { (depth: Int) in
                String(repeating: opening, count: depth) + "1" + String(repeating: closing, count: depth)
            }
            #expect(fault(deep(256)) == nil)
            #expect(fault(deep(257))?.isTooDeep == true)
            #expect(fault(deep(10_000))?.isTooDeep == true)
            #expect(fault(deep(100_000), depth: 100_000) == nil)
            #expect(fault(String(repeating: opening, count: 1_000_000))?.isTooDeep == true)
        }
        #expect(fault("1", depth: 0) == nil)
        #expect(fault("[]", depth: 0)?.isTooDeep == true)
        #expect(fault("[[],[],[{}]]", depth: 3) == nil)
    }

    @Test func aFaultHasAPosition() throws {
        let fault = try #require(self.fault("{\n  \"é🦊\": [1,\n  2 3]\n}"))
        #expect(fault.line == 3 && fault.column == 5 && fault.offset == 22)
        #expect(fault.description == "line 3, column 5 (byte 22): expected ',' or ']'")
        #expect(self.fault("{\"a\"")?.message == "the text ends too early")
        #expect(self.fault("")?.message == "the text is empty")
    }

    @Test func largeTextsAreCheckedToTheEnd() {
        var bytes = Array("[\"".utf8) + [UInt8](repeating: UInt8(ascii: "x"), count: 16 << 20) + Array("\"]".utf8)
        #expect(JSONText.fault(in: bytes, maximumDepth: 256) == nil)
        bytes[bytes.count - 3] = 0x01
        #expect(JSONText.fault(in: bytes, maximumDepth: 256)?.offset == bytes.count - 3)
        #expect(fault(String(repeating: "9", count: 1 << 20)) == nil)
    }
}

/// The same verdict as Python's `json` (which nobody here wrote) over random texts: valid ones, and valid ones with a few bytes changed.
struct JSONOracleTests {
    private static let oracle = """
        import json, sys
        def refuse(name): raise ValueError(name)
        sys.set_int_max_str_digits(0)
        decoder = json.JSONDecoder(parse_constant=refuse, parse_int=str, parse_float=str)
        for line in open(sys.argv[1]):
            try:
                text = bytes.fromhex(line).decode('utf-8')
                value = text.strip(' \\t\\r\\n')
                _, end = decoder.raw_decode(value)
                print(1 if end == len(value) else 0)
            except (ValueError, RecursionError):
                print(0)
        """

    @Test func agreesWithPython() throws {
        let seed = UInt64.random(in: 1 ... .max)
        var random = SeededGenerator(seed: seed)
        let texts = (0..<20_000).map { _ in Self.text(&random) }
        let directory = FileManager.default.temporaryDirectory.appending(path: "flowstate-json-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let (script, input) = (directory.appending(path: "oracle.py"), directory.appending(path: "texts"))
        try Self.oracle.write(to: script, atomically: true, encoding: .utf8)
        try texts.map { $0.map { String(format: "%02x", $0) }.joined() }.joined(separator: "\n").appending("\n")
            .write(to: input, atomically: true, encoding: .utf8)

        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", script.path, input.path]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let verdicts = output.fileHandleForReading.readDataToEndOfFile().split(separator: UInt8(ascii: "\n"))
        process.waitUntilExit()
        try #require(verdicts.count == texts.count)
        for (text, verdict) in zip(texts, verdicts) {
            let isValid = JSONText.fault(in: text, maximumDepth: 256) == nil
            #expect(isValid == (verdict.first == UInt8(ascii: "1")), "seed \(seed): \(text) \(String(decoding: text, as: UTF8.self))")
        }
    }

    static func text(_ random: inout SeededGenerator) -> [UInt8] {
        var bytes = Array(value(&random, depth: 0).utf8)
        guard Bool.random(using: &random), !bytes.isEmpty else { return bytes }
        for _ in 0..<Int.random(in: 1...2, using: &random) where !bytes.isEmpty {
            let index = bytes.indices.randomElement(using: &random) ?? 0
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes.remove(at: index)
            case 1: bytes[index] = UInt8.random(in: 0...255, using: &random)
            case 2: bytes.insert(Array("\"\\{}[]:,0-+.eEnu \u{01}dD8".utf8).randomElement(using: &random) ?? 0, at: index)
            default: bytes.removeSubrange(index...)
            }
        }
        return bytes
    }

    private static func value(_ random: inout SeededGenerator, depth: Int) -> String {
        func space() -> String { ["", "", "", " ", "\n", "\t\r"].randomElement(using: &random) ?? "" }
        func string() -> String {
            let pieces = [
                "a", "abcdefg", "abcdefgh", "the quick brown fox jumps over the lazy dog", "0", "12345", "é", "🦊", "\\u0000", "\\uD800",
                "\\udfff", "\\\\", "\\\"", "\\/", "\\n", "\u{7F}", "\\u12aF",
            ]
            return "\"" + (0..<Int.random(in: 0...4, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
                + "\""
        }
        let count = Int.random(in: 0...3, using: &random)
        switch Int.random(in: 0..<(depth > 5 ? 4 : 6), using: &random) {
        case 0: return space() + string() + space()
        case 1:
            return ["0", "-0", "1", "-12", "0.5", "1e5", "1E-5", "12.34e+56", "1e999", "12345678901234567890123"].randomElement(
                using: &random) ?? "0"
        case 2: return ["true", "false", "null"].randomElement(using: &random) ?? "null"
        case 3: return space() + string()
        case 4:
            return space() + "[" + (0..<count).map { _ in value(&random, depth: depth + 1) }.joined(separator: ",") + "]" + space()
        default:
            return "{"
                + (0..<count).map { _ in space() + string() + space() + ":" + value(&random, depth: depth + 1) }.joined(separator: ",")
                + space() + "}"
        }
    }
}
