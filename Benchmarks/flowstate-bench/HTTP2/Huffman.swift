/// HPACK's Huffman code (RFC 7541, Appendix B). It is canonical: the lengths of its codes say what they are.
struct Huffman: Sendable {
    /// By symbol; the last one is EOS.
    private static let lengths: [UInt8] = [
        13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
        28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
        10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5,
        6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22,
        23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22,
        22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26,
        26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27,
        27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27,
        27, 27, 27, 27, 26, 30,
    ]
    private static let longest = 30

    static let code = Huffman()

    /// Symbols in the order of their codes.
    private var symbols: [UInt16] = []
    /// By length: the first code, how many there are, and where their symbols begin.
    private var firstCode: [UInt32] = []
    private var count: [UInt32] = []
    private var offset: [Int] = []
    /// By the next eight bits: symbol and length of a code that is not longer; length 0: it is longer.
    private var short: [(symbol: UInt8, length: UInt8)] = Array(repeating: (0, 0), count: 256)

    private init() {
        var code: UInt32 = 0
        for length in 0...Self.longest {
            let found = Self.lengths.indices.filter { Self.lengths[$0] == length }
            firstCode.append(code)
            count.append(UInt32(found.count))
            offset.append(symbols.count)
            for symbol in found {
                symbols.append(UInt16(symbol))
                if length <= 8 {
                    let first = Int(code) << (8 - length)
                    for bits in first..<first + (1 << (8 - length)) { short[bits] = (UInt8(symbol), UInt8(length)) }
                }
                code += 1
            }
            code <<= 1
        }
    }

    /// The text; nil when it is no such code.
    func decode(_ bytes: some Collection<UInt8>) -> [UInt8]? {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 8 / 5)
        var bits: UInt64 = 0
        var available = 0
        var rest = bytes.makeIterator()
        while true {
            while available <= 56, let byte = rest.next() {
                bits = bits << 8 | UInt64(byte)
                available += 8
            }
            let (symbol, length) = available >= 8 ? short[Int(truncatingIfNeeded: bits >> (available - 8)) & 0xFF] : (0, 0)
            if length > 0 {
                text.append(symbol)
                available -= Int(length)
            } else {
                guard let (symbol, length) = long(bits, available) else {
                    // What is left is padding: fewer than eight ones (section 5.2).
                    return available < 8 && ~bits & (1 << available - 1) == 0 ? text : nil
                }
                text.append(symbol)
                available -= length
            }
        }
    }

    private func long(_ bits: UInt64, _ available: Int) -> (symbol: UInt8, length: Int)? {
        for length in 5...Self.longest where length <= available {
            let code = UInt32(truncatingIfNeeded: bits >> (available - length)) & (1 << length - 1)
            if code >= firstCode[length], code - firstCode[length] < count[length] {
                return UInt8(exactly: symbols[offset[length] + Int(code - firstCode[length])]).map { ($0, length) }
            }
        }
        return nil
    }
}
