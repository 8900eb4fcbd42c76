import Compression
import FlowModel

/// The content of a request as one sequence of bytes, for the idempotency record: two requests have the same digest when they ask for the
/// same thing. Every field is preceded by its presence and its length.
struct RequestContent {
    private var bytes: [UInt8] = []

    /// - Parameter operation: tells commands with equal fields apart.
    init(operation: String) {
        bytes.reserveCapacity(256)
        append(operation)
    }

    mutating func append(_ value: String?) { append(value.map { Array($0.utf8) }) }

    mutating func append(_ value: [UInt8]?) {
        guard let value else { return bytes.append(0) }
        bytes.append(1)
        append(word: UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    mutating func append(_ value: Int64?) {
        guard let value else { return bytes.append(0) }
        bytes.append(1)
        append(word: UInt64(bitPattern: value))
    }

    /// A field that releases before did not know: nothing if it is absent, so that they make the same digest.
    mutating func append(_ value: String?, named name: String) {
        guard let value else { return }
        append(name)
        append(value)
    }

    /// Nothing for none: releases that did not know writes made the same digests.
    mutating func append(_ writes: [PendingWrite]) {
        for write in writes {
            append(write.taskID)
            append(Int64(write.index))
            append(write.channel)
            append(write.type)
            append(write.value)
            append(write.path)
        }
    }

    mutating func append(_ value: Precondition) {
        switch value {
        // Both append: a client that starts to send `any_version` asks for the same thing.
        case .none, .anyVersion: append(nil as Int64?)
        case .expected(let version): append(version)
        case .expectedLabel(let label): append(label)
        }
    }

    var digest: [UInt8] { XXH3.digest(bytes) }

    private mutating func append(word: UInt64) {
        withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
    }
}
