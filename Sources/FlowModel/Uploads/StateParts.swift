/// A state that is stored in parts, apart from the row of its version, because it is larger than a message. A class: it is passed on with
/// every save, and few have it.
package final class StateParts: Sendable, Equatable {
    /// What the row of the version has instead of the state: 16 bytes that name the parts within their flow, then `partBytes`.
    package let reference: [UInt8]
    /// Of the whole state, in bytes.
    package let size: Int64
    /// XXH3-128 of the whole state, 16 bytes big-endian.
    package let digest: [UInt8]

    private static let idBytes = 16
    private static let referenceBytes = idBytes + 4

    package init(reference: [UInt8], size: Int64, digest: [UInt8]) {
        (self.reference, self.size, self.digest) = (reference, size, digest)
    }

    /// A reference to parts that no other upload has.
    ///
    /// - Parameter random: two random numbers.
    package static func reference(random: (UInt64, UInt64), partBytes: Int) -> [UInt8] {
        var reference: [UInt8] = []
        reference.append(bigEndian: random.0)
        reference.append(bigEndian: random.1)
        reference.append(bigEndian: UInt32(clamping: partBytes))
        return reference
    }

    /// Bytes of the state in each part but the last; nil: the reference is damaged.
    package var partBytes: Int? { Self.partBytes(of: reference) }

    package static func partBytes(of reference: [UInt8]) -> Int? {
        guard reference.count == referenceBytes else { return nil }
        let bytes = UInt32(bigEndian: reference[idBytes...])
        return bytes == 0 ? nil : Int(bytes)
    }

    /// The error of a state that a definition would have to read.
    package func isTooLargeToValidate(limit: Int) -> StateError {
        .tooLarge(what: "a state that the definition of its flow's type concerns", size: Int(clamping: size), limit: limit)
    }

    package static func == (left: StateParts, right: StateParts) -> Bool {
        left.reference == right.reference && left.size == right.size && left.digest == right.digest
    }
}
