/// Checks a JSON text that arrives in pieces, of which none is kept: by the grammar that `JSONText.fault` checks, RFC 8259's, with the same
/// texts accepted. Pure; the work is some nanoseconds a byte, and the memory a bit for each array or object that is open.
package struct JSONTextStream: Sendable {
    /// What may come next, outside strings, numbers and literals.
    private enum Expected {
        case value
        /// Behind `[`.
        case valueOrEnd
        /// Behind `{`.
        case nameOrEnd
        /// Behind a comma in an object.
        case name
        case colon
        case commaOrEnd
        /// Nothing: the root is complete.
        case end
    }

    fileprivate enum Token {
        case none
        case string
        case escape
        /// So many hex digits to come.
        case hex(Int)
        /// A character of several bytes (RFC 3629 §4): so many to come, the next one within these bounds.
        case utf8(Int, UInt8, UInt8)
        case number(Number)
        /// The bytes to come.
        case literal(StaticString, Int)
    }

    /// RFC 8259 §6.
    fileprivate enum Number { case minus, zero, integer, point, fraction, exponent, exponentSign, exponentDigits }

    /// In braces, from the outermost: true; in brackets: false.
    private var containers: [Bool] = []
    private var expected = Expected.value
    private var token = Token.none
    /// Whether the string is the name of a member.
    private var isName = false
    private let maximumDepth: Int
    private var offset = 0
    private var line = 1
    private var lineStart = 0
    /// Bytes of the line that continue a character.
    private var continuations = 0
    private var isEmpty = true
    private var failure: JSONText.Fault?

    package init(maximumDepth: Int) { self.maximumDepth = maximumDepth }

    /// Takes the next bytes.
    ///
    /// - Returns: why the text is not JSON; once there is a fault, it stays. nil: it may be JSON.
    package mutating func take(_ bytes: [UInt8]) -> JSONText.Fault? {
        if failure != nil { return failure }
        bytes.withUnsafeBufferPointer { bytes in
            var place = 0
            while place < bytes.count, failure == nil {
                if case .string = token { place = passOver(bytes, from: place) }
                guard place < bytes.count else { break }
                step(bytes[place])
                place += 1
                offset += 1
            }
        }
        return failure
    }

    /// The text ends.
    ///
    /// - Returns: why it is not JSON.
    package mutating func end() -> JSONText.Fault? {
        if failure != nil { return failure }
        if case .number(let number) = token, number.isComplete { finishValue() }
        guard case .end = expected, case .none = token else {
            fail(isEmpty ? "the text is empty" : "the text ends too early")
            return failure
        }
        return nil
    }

    /// The end of a run of characters of a string that are one byte and mean themselves.
    private mutating func passOver(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var place = start
        while place < bytes.count, case let byte = bytes[place], byte >= 0x20, byte < 0x80, byte != UInt8(ascii: "\""),
            byte != UInt8(ascii: "\\")
        { place += 1 }
        offset += place - start
        return place
    }

    private mutating func step(_ byte: UInt8) {
        switch token {
        case .none: between(byte)
        case .string: inString(byte)
        case .escape: escape(byte)
        case .hex(let left):
            guard byte.isHexDigit else { return fail("invalid escape in a string") }
            token = left == 1 ? .string : .hex(left - 1)
        case .utf8(let left, let low, let high):
            guard byte >= low, byte <= high else { return fail("invalid UTF-8 in a string") }
            continuations += 1
            token = left == 1 ? .string : .utf8(left - 1, 0x80, 0xBF)
        case .number(let number): inNumber(byte, number)
        case .literal(let text, let place):
            guard text.withUTF8Buffer({ $0[place] }) == byte else { return fail("expected a value") }
            if place + 1 == text.utf8CodeUnitCount { finishValue() } else { token = .literal(text, place + 1) }
        }
    }

    // MARK: Between tokens

    private mutating func between(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\n"): (line, lineStart, continuations) = (line + 1, offset + 1, 0)
        case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): break
        default:
            isEmpty = false
            meaningful(byte)
        }
    }

    private mutating func meaningful(_ byte: UInt8) {
        switch expected {
        case .value: beginValue(byte)
        case .valueOrEnd: if byte == UInt8(ascii: "]") { close() } else { beginValue(byte) }
        case .nameOrEnd: if byte == UInt8(ascii: "}") { close() } else { beginName(byte) }
        case .name: beginName(byte)
        case .colon:
            guard byte == UInt8(ascii: ":") else { return fail("expected ':' after the member name") }
            expected = .value
        case .commaOrEnd: separate(byte)
        case .end: fail("there is something after the value")
        }
    }

    private mutating func beginName(_ byte: UInt8) {
        guard byte == UInt8(ascii: "\"") else { return fail("expected a member name in double quotes") }
        (token, isName) = (.string, true)
    }

    private mutating func beginValue(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): (token, isName) = (.string, false)
        case UInt8(ascii: "{"): open(isObject: true)
        case UInt8(ascii: "["): open(isObject: false)
        case UInt8(ascii: "t"): token = .literal("true", 1)
        case UInt8(ascii: "f"): token = .literal("false", 1)
        case UInt8(ascii: "n"): token = .literal("null", 1)
        case UInt8(ascii: "-"): token = .number(.minus)
        case UInt8(ascii: "0"): token = .number(.zero)
        case UInt8(ascii: "1")...UInt8(ascii: "9"): token = .number(.integer)
        default:
            let isMark = offset == 0 && byte == 0xEF
            fail(isMark ? "begins with a byte order mark (U+FEFF); remove it" : "expected a value")
        }
    }

    private mutating func open(isObject: Bool) {
        guard containers.count < maximumDepth else { return fail("arrays and objects are nested too deeply", isTooDeep: true) }
        containers.append(isObject)
        expected = isObject ? .nameOrEnd : .valueOrEnd
    }

    private mutating func close() {
        containers.removeLast()
        finishValue()
    }

    private mutating func separate(_ byte: UInt8) {
        let isObject = containers.last ?? false
        switch byte {
        case UInt8(ascii: ","): expected = isObject ? .name : .value
        case UInt8(ascii: "}") where isObject: close()
        case UInt8(ascii: "]") where !isObject: close()
        default: fail(isObject ? "expected ',' or '}'" : "expected ',' or ']'")
        }
    }

    private mutating func finishValue() {
        token = .none
        expected = containers.isEmpty ? .end : .commaOrEnd
    }

    // MARK: Strings

    private mutating func inString(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""):
            if isName { (token, expected) = (.none, .colon) } else { finishValue() }
        case UInt8(ascii: "\\"): token = .escape
        case 0..<0x20: fail("a control character in a string must be escaped")
        // RFC 3629 §4: neither overlong forms nor surrogates, and nothing above U+10FFFF.
        case 0xC2...0xDF: token = .utf8(1, 0x80, 0xBF)
        case 0xE0: token = .utf8(2, 0xA0, 0xBF)
        case 0xED: token = .utf8(2, 0x80, 0x9F)
        case 0xE1...0xEF: token = .utf8(2, 0x80, 0xBF)
        case 0xF0: token = .utf8(3, 0x90, 0xBF)
        case 0xF1...0xF3: token = .utf8(3, 0x80, 0xBF)
        case 0xF4: token = .utf8(3, 0x80, 0x8F)
        case 0x80...: fail("invalid UTF-8 in a string")
        default: break
        }
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "u"): token = .hex(4)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            token = .string
        default: fail("invalid escape in a string")
        }
    }

    // MARK: Numbers

    private mutating func inNumber(_ byte: UInt8, _ number: Number) {
        if let next = number.next(byte) {
            token = .number(next)
        } else if number.isComplete {
            finishValue()
            between(byte)
        } else {
            fail("a number lacks digits")
        }
    }

    private mutating func fail(_ message: String, isTooDeep: Bool = false) {
        failure = JSONText.Fault(
            message: message, offset: offset, line: line, column: offset - lineStart - continuations + 1, isTooDeep: isTooDeep)
    }
}

extension JSONTextStream.Number {
    /// Whether a number may end here.
    fileprivate var isComplete: Bool {
        switch self {
        case .zero, .integer, .fraction, .exponentDigits: true
        case .minus, .point, .exponent, .exponentSign: false
        }
    }

    /// Where the number is behind this byte; nil: the byte does not belong to it.
    fileprivate func next(_ byte: UInt8) -> Self? {
        let isDigit = byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
        switch self {
        case .minus: return byte == UInt8(ascii: "0") ? .zero : isDigit ? .integer : nil
        case .zero: return point(byte)
        case .integer: return isDigit ? .integer : point(byte)
        case .point: return isDigit ? .fraction : nil
        case .fraction: return isDigit ? .fraction : exponent(byte)
        case .exponent:
            return byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") ? .exponentSign : isDigit ? .exponentDigits : nil
        case .exponentSign, .exponentDigits: return isDigit ? .exponentDigits : nil
        }
    }

    private func point(_ byte: UInt8) -> Self? { byte == UInt8(ascii: ".") ? .point : exponent(byte) }

    private func exponent(_ byte: UInt8) -> Self? { byte | 0x20 == UInt8(ascii: "e") ? .exponent : nil }
}

extension UInt8 {
    fileprivate var isHexDigit: Bool {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"): true
        default: false
        }
    }
}
