import Glibc
import NIOCore

/// A conversation as JSON: a list of messages, to which every turn adds a question and an answer, and behind it what changes with every
/// turn. So a state is the beginning of the whole text and an ending of its own.
struct ConversationText: Sendable {
    /// Sizes in bytes of a question's and of an answer's content. With the JSON around it a message has 520 on average, and 500 turns make
    /// 130 MB.
    private static let question = 60...210
    private static let answer = 350...1_244

    private static let beginning = Array(#"{"agent":"support","messages":["#.utf8)

    let turns: Int
    /// The beginning and the messages of all turns.
    private let text: [UInt8]
    /// By turn, where its messages end.
    private let ends: [Int]

    /// - Parameter randomWords: see `StateText.text`.
    init(turns: Int, randomWords: Bool = false, seed: UInt64) {
        self.turns = turns
        var generator = SeededGenerator(seed: seed)
        var text = Self.beginning
        var ends: [Int] = []
        for turn in 1...turns {
            if turn > 1 { text.append(UInt8(ascii: ",")) }
            Self.message("user", Self.question, randomWords, &text, &generator)
            text.append(UInt8(ascii: ","))
            Self.message("assistant", Self.answer, randomWords, &text, &generator)
            ends.append(text.count)
        }
        self.text = text
        self.ends = ends
    }

    private static func message(
        _ role: String, _ sizes: ClosedRange<Int>, _ randomWords: Bool, _ text: inout [UInt8], _ generator: inout SeededGenerator
    ) {
        let id = String(generator.next(), radix: 16)
        text += #"{"id":"\#(String(repeating: "0", count: 16 - id.count))\#(id)","role":"\#(role)","content":""#.utf8
        text += StateText.text(Int.random(in: sizes, using: &generator), random: randomWords, using: &generator)
        text += #""}"#.utf8
    }

    private func ending(_ turn: Int) -> [UInt8] { Array(#"],"turn":\#(turn)}"#.utf8) }

    /// The state after `turn`, from 1.
    func state(turn: Int) -> [UInt8] { text[..<ends[turn - 1]] + ending(turn) }

    /// The bytes of all states together.
    var totalBytes: Int { (1...turns).reduce(0) { $0 + ends[$1 - 1] + ending($1).count } }

    /// The state, encoded as the field of a save request.
    func saveBody(turn: Int) -> ByteBuffer {
        let ending = ending(turn)
        let size = ends[turn - 1] + ending.count
        var body = ByteBufferAllocator().buffer(capacity: size + 12)
        body.writeVarint(FieldTag.bytes(3))
        body.writeVarint(UInt64(size))
        body.writeBytes(text[..<ends[turn - 1]])
        body.writeBytes(ending)
        return body
    }

    /// Whether these bytes are the state after `turn`.
    func isState(_ bytes: ByteBuffer, ofTurn turn: Int) -> Bool {
        let end = ends[turn - 1]
        let ending = ending(turn)
        return bytes.withUnsafeReadableBytes { bytes in
            guard bytes.count == end + ending.count, let start = bytes.baseAddress else { return false }
            // memcmp(3), since comparing hundreds of kilobytes element by element takes longer than the call.
            return text.withUnsafeBytes { $0.baseAddress.map { memcmp($0, start, end) == 0 } ?? false }
                && bytes[end...].elementsEqual(ending)
        }
    }
}
