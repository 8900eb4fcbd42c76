import CRE2

/// A regular expression in RE2's syntax, compiled once. A search takes time proportional to the text, whatever both are.
///
/// `@unchecked Sendable`: "An "RE2" object is safe for concurrent use by multiple threads" (re2.h); nothing here changes it, and it is freed
/// when nobody refers to it any more.
final class TextPattern: @unchecked Sendable {
    /// RE2's reason for refusing a pattern.
    struct Fault: Error {
        let message: String
    }

    let source: String
    let instructions: Int
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
        instructions = cre2_instructions(compiled)
    }

    deinit { cre2_free(compiled) }

    /// The most that a search may take: a step is an instruction of the pattern for a byte of the text, some 4 ns where RE2 finds no faster
    /// way.
    func steps(_ text: String) -> Int { (text.utf8.count + 1) * instructions }

    /// Whether it matches somewhere in the text; nil without memory.
    func isFound(in text: String) -> Bool? {
        var text = text
        let found = text.withUTF8 { cre2_search(compiled, $0.baseAddress, $0.count) }
        return found < 0 ? nil : found == 1
    }
}
