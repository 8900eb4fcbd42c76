import CRE2

/// A regular expression in RE2's syntax, compiled once. A search takes time proportional to the text, whatever both are.
///
/// `@unchecked Sendable`: "An "RE2" object is safe for concurrent use by multiple threads" (re2.h); nothing here changes it, and it is freed
/// with the last reference.
final class TextPattern: @unchecked Sendable {
    /// RE2's reason for refusing a pattern.
    struct Fault: Error {
        let message: String
    }

    let source: String
    let instructions: Int
    private let limit: Int
    private let compiled: OpaquePointer

    /// - Parameter memory: bytes that it may take, compiled and with what searches keep.
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

    /// Steps that compiling a pattern is charged. A class of Unicode takes two or three bytes and some 100 µs; what else takes long is bounded
    /// by the memory.
    static func compilingSteps(_ source: String) -> Int {
        let hasClasses = ["\\p", "\\P", "(?", "[:"].contains { source.contains($0) }
        return 200 + (hasClasses ? 300 : 20) * source.utf8.count
    }

    /// The most that a search may take: an instruction of the pattern for a byte of the text takes some 4 ns where RE2 finds no faster way.
    ///
    /// - Parameter bytes: of the text.
    func steps(_ bytes: Int) -> Int { 1 + (bytes + 1) * instructions / 25 }

    /// Bytes that it takes, about: its program, and what searches keep, which is more the larger it is.
    var memory: Int { 1_024 + source.utf8.count + min(limit, 256 * instructions) }

    /// Whether it matches somewhere in the text; nil without memory.
    func isFound(in text: String) -> Bool? {
        var text = text
        let found = text.withUTF8 { cre2_search(compiled, $0.baseAddress, $0.count) }
        return found < 0 ? nil : found == 1
    }
}
