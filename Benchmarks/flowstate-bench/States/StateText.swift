/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, and the same everywhere for the same seed.
struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// States to save: JSON of an exact size, made of words, so that it compresses as text does.
enum StateText {
    private static let words = """
        agent answer approve archive ask balance batch budget cancel check claim client close collect compare \
        confirm context customer decide deliver draft email escalate estimate fetch finish flow forecast gather \
        history invoice item ledger match message model notify offer order page partner pay phase plan price \
        process prompt quote reason receive record refund reject report request research result retry review \
        route sample score search send ship sign source state step stock summary supplier task ticket token tool \
        total update user validate verify version wait warehouse write
        """.split(separator: " ").map { Array($0.utf8) }

    private static let letters = UInt8(ascii: "a")...UInt8(ascii: "z")

    private static let beginning = Array(#"{"step":"#.utf8)
    private static let middle = Array(#","notes":""#.utf8)
    private static let end = Array(#""}"#.utf8)
    private static let digits = 9
    /// Bytes of the smallest state.
    static let smallest = beginning.count + digits + middle.count + end.count

    /// A JSON object of exactly `size` bytes, which must be at least `smallest`.
    static func make(size: Int, using generator: inout SeededGenerator) -> [UInt8] {
        make(1, size: size, change: 100, using: &generator)[0]
    }

    /// `count` states. `change` per cent of the text, in its middle, differs between them; the rest is the same.
    static func make(_ count: Int, size: Int, change: Int, using generator: inout SeededGenerator) -> [[UInt8]] {
        let notes = size - smallest
        let own = notes * change / 100
        let before = (notes - own) / 2
        let common = text(notes - own, using: &generator)
        return (0..<count).map { _ in
            var state: [UInt8] = []
            state.reserveCapacity(size)
            state += beginning
            state += "\(Int.random(in: 100_000_000...999_999_999, using: &generator))".utf8
            state += middle
            state += common[..<before]
            state += text(own, using: &generator)
            state += common[before...]
            return state + end
        }
    }

    /// Exactly `size` bytes of words; the last word may be cut off.
    ///
    /// - Parameter random: words of random letters, which nothing but their repetition makes smaller.
    static func text(_ size: Int, random: Bool = false, using generator: inout SeededGenerator) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(size + 16)
        while text.count < size {
            if random {
                for _ in 0..<Int.random(in: 2...9, using: &generator) { text.append(.random(in: letters, using: &generator)) }
            } else {
                text += words[Int.random(in: 0..<words.count, using: &generator)]
            }
            text.append(UInt8(ascii: " "))
        }
        text.removeLast(text.count - size)
        return text
    }
}
