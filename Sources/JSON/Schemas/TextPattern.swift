import CRE2

/// A regular expression in RE2's syntax, compiled once. A search takes time proportional to the text, whatever the pattern.
///
/// `@unchecked Sendable`: "An "RE2" object is safe for concurrent use by multiple threads" (re2.h); nothing here changes it, and it is freed
/// with the last reference.
package final class TextPattern: @unchecked Sendable {
    /// RE2's reason for refusing a pattern.
    struct Fault: Error {
        let message: String
    }

    package let source: String
    let instructions: Int
    private let limit: Int
    private let compiled: OpaquePointer

    /// - Parameter memory: bytes for the compiled pattern and what its searches keep.
    init(_ source: String, memory: Int) throws(Fault) {
        let pattern = Array(source.utf8)
        var message = [CChar](repeating: 0, count: 256)
        let compiled = pattern.withUnsafeBufferPointer { pattern in
            message.withUnsafeMutableBufferPointer { message in
                cre2_compile(pattern.baseAddress, pattern.count, max(1, memory), message.baseAddress, message.count)
            }
        }
        guard let compiled else {
            throw Fault(message: String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
        }
        self.source = source
        self.compiled = compiled
        limit = memory
        instructions = cre2_instructions(compiled)
    }

    deinit { cre2_free(compiled) }

    /// Steps charged for compiling a pattern: some 2 µs for each instruction of the program, of which a repetition makes many, and up to
    /// 100 µs for each byte of a Unicode class. The memory bounds the program, and so the time: at most 7 ms for 256 KiB.
    ///
    /// - Parameter memory: bytes for the compiled pattern.
    static func compilingSteps(_ source: String, memory: Int) -> Int {
        let hasClasses = ["\\p", "\\P", "(?", "[:"].contains { source.contains($0) }
        return 200 + min((hasClasses ? 300 : 40) * expandedSize(source), max(memory / 2, 300 * source.utf8.count))
    }

    /// About how many bytes a pattern has when its counted repetitions are written out, at most a million. A repeated group counts as
    /// everything before it, and any other repeated part as the longest UTF-8 sequence takes.
    private static func expandedSize(_ source: String) -> Int {
        var (size, last, rest) = (0, UInt8(0), source.utf8[...])
        while let byte = rest.popFirst() {
            size += 1
            if byte == UInt8(ascii: "{") {
                // RE2 refuses more than a thousand repetitions.
                let bounds = rest.prefix(9).prefix { $0 != UInt8(ascii: "}") }.split(separator: UInt8(ascii: ","))
                let count = min(bounds.compactMap { Int(Substring($0)) }.max() ?? 1, 1_000)
                size = last == UInt8(ascii: ")") ? min(size * max(count, 1), 1_000_000) : size + 8 * max(count, 1)
            }
            last = byte
        }
        return min(size, 1_000_000)
    }

    /// Steps charged for a search, the most that it may take: some 4 ns for each instruction of the pattern and byte of the text, where RE2
    /// finds no faster way.
    ///
    /// - Parameter bytes: of the text.
    package func steps(_ bytes: Int) -> Int { 1 + (bytes + 1) * instructions / 25 }

    /// Approximate memory in bytes: the program, and what searches keep, which grows with it.
    var memory: Int { 1_024 + source.utf8.count + min(limit, 256 * instructions) }

    /// Whether it matches somewhere in the text; nil when there is no memory for the search.
    package func isFound(in text: String) -> Bool? {
        var text = text
        let found = text.withUTF8 { cre2_search(compiled, $0.baseAddress, $0.count) }
        return found < 0 ? nil : found == 1
    }
}
