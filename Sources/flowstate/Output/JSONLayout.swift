/// Reformats JSON text token by token: only the white space between tokens changes. Numbers of any length, the order of keys, duplicate
/// keys and escapes stay as they are. Inside strings, raw characters that a terminal would act on (DEL, C1, changes of direction) are
/// written as escapes, which mean the same.
struct JSONLayout {
    enum Style {
        case compact
        /// Two spaces per level, one member per line.
        case indented
    }

    /// Deeper text is not reformatted: indenting it would take the square of its length.
    static let maximumDepth = 512

    /// The reformatted text; nil when it is not JSON (RFC 8259), not UTF-8, or too deep.
    static func format(_ text: [UInt8], _ style: Style) -> String? {
        guard String(validating: text, as: UTF8.self) != nil else { return nil }
        var layout = JSONLayout(text: text, style: style)
        while layout.skipSpace() { if !layout.token() { return nil } }
        guard layout.expected == .nothing else { return nil }
        return String(decoding: layout.output, as: UTF8.self)
    }

    private enum Expected {
        case value, valueOrEnd, key, keyOrEnd, colon, commaOrEnd, nothing
    }

    private let text: [UInt8]
    private let style: Style
    private var position = 0
    private var output: [UInt8] = []
    private var expected = Expected.value
    /// What closes the open arrays and objects, the innermost last.
    private var closers: [UInt8] = []

    private init(text: [UInt8], style: Style) {
        self.text = text
        self.style = style
        output.reserveCapacity(text.count)
    }

    /// Moves to the next token; false at the end of the text.
    private mutating func skipSpace() -> Bool {
        while position < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(text[position]) { position += 1 }
        return position < text.count
    }

    /// Copies one token; false when it is not allowed here.
    private mutating func token() -> Bool {
        switch text[position] {
        case UInt8(ascii: "{"): open(UInt8(ascii: "}"), .keyOrEnd)
        case UInt8(ascii: "["): open(UInt8(ascii: "]"), .valueOrEnd)
        case UInt8(ascii: "}"), UInt8(ascii: "]"): close()
        case UInt8(ascii: ","): comma()
        case UInt8(ascii: ":"): colon()
        case UInt8(ascii: "\""): string()
        default: literalOrNumber()
        }
    }

    // MARK: Structure

    private mutating func open(_ closer: UInt8, _ next: Expected) -> Bool {
        guard beginValue(), closers.count < Self.maximumDepth else { return false }
        take(1)
        closers.append(closer)
        expected = next
        return true
    }

    private mutating func close() -> Bool {
        guard closers.last == text[position] else { return false }
        switch expected {
        case .commaOrEnd:
            closers.removeLast()
            newLine()
        case .keyOrEnd, .valueOrEnd: closers.removeLast()
        case .value, .key, .colon, .nothing: return false
        }
        take(1)
        endValue()
        return true
    }

    private mutating func comma() -> Bool {
        guard expected == .commaOrEnd else { return false }
        take(1)
        newLine()
        expected = closers.last == UInt8(ascii: "}") ? .key : .value
        return true
    }

    private mutating func colon() -> Bool {
        guard expected == .colon else { return false }
        take(1)
        if style == .indented { output.append(0x20) }
        expected = .value
        return true
    }

    /// Whether a value may begin here; moves to its line.
    private mutating func beginValue() -> Bool {
        if expected == .valueOrEnd { newLine() }
        return expected == .value || expected == .valueOrEnd
    }

    private mutating func endValue() { expected = closers.isEmpty ? .nothing : .commaOrEnd }

    private mutating func newLine() {
        guard style == .indented else { return }
        output.append(0x0A)
        output.append(contentsOf: repeatElement(0x20, count: 2 * closers.count))
    }

    private mutating func take(_ count: Int) {
        output.append(contentsOf: text[position..<position + count])
        position += count
    }
}

// MARK: - Scalars

extension JSONLayout {
    private mutating func string() -> Bool {
        let isKey = expected == .key || expected == .keyOrEnd
        if expected == .keyOrEnd { newLine() }
        guard isKey || beginValue(), let end = JSONToken.stringEnd(in: text, from: position) else { return false }
        let token = text[position..<end]
        // DEL, and the lead bytes of every other character that is escaped.
        if token.contains(where: { $0 == 0x7F || $0 == 0xC2 || $0 == 0xD8 || $0 == 0xE2 }) {
            output.append(contentsOf: TerminalText.escape(String(decoding: token, as: UTF8.self), where: TerminalText.isUnsafe).utf8)
        } else {
            output.append(contentsOf: token)
        }
        position = end
        if isKey { expected = .colon } else { endValue() }
        return true
    }

    private mutating func literalOrNumber() -> Bool {
        guard beginValue() else { return false }
        let token = text[position...].prefix { !" \t\n\r,:[]{}\"".utf8.contains($0) }
        guard JSONToken.isLiteral(token) || JSONToken.isNumber(token) else { return false }
        take(token.count)
        endValue()
        return true
    }
}
