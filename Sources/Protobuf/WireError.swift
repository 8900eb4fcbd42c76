/// Why bytes could not be decoded. Nothing of the message is kept.
public enum WireError: Error, Equatable, Sendable {
    /// The bytes are not a message of the type asked for: truncated, a bad tag, a wrong length.
    case malformed
    /// A string field is not valid UTF-8; `field` is its name in the proto file.
    case invalidUTF8(field: String)
    /// A `google.protobuf.Duration` is not a length of time: its parts have different signs, or are out of range.
    case invalidDuration(field: String)
    /// Decoding would take more memory than `limit` bytes. The bytes may be a valid message.
    case tooMuchMemory(limit: Int)
}
