extension Timestamp {
    public var fieldValue: FieldValue { .timestamp(self) }
}

extension ProtoDuration {
    public var fieldValue: FieldValue { .duration(self) }

    /// The same length of time. As duration.proto requires, the parts must have the same sign, `nanos` must be less than a second, and
    /// `seconds` at most 315,576,000,000 (10,000 years) in either direction.
    /// - Parameter field: The name of the field that holds it.
    /// - Throws: `WireError.invalidDuration` otherwise.
    public func duration(_ field: String) throws(WireError) -> Duration {
        typealias Bounds = DurationBounds
        guard (-Bounds.nanos...Bounds.nanos).contains(nanos), (-Bounds.seconds...Bounds.seconds).contains(seconds),
            seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0)
        else { throw .invalidDuration(field: field) }
        return .seconds(seconds) + .nanoseconds(nanos)
    }

    /// The same length of time, cut to the nanosecond and to protobuf's longest; its parts have the same sign, as required.
    public init(_ duration: Duration) {
        let longest = Duration.seconds(DurationBounds.seconds)
        let (seconds, attoseconds) = min(max(duration, .zero - longest), longest).components
        self.init(seconds: seconds, nanos: Int32(attoseconds / 1_000_000_000))
    }
}

/// What duration.proto allows.
private enum DurationBounds {
    /// 10,000 years, in either direction.
    static let seconds: Int64 = 315_576_000_000
    static let nanos: Int32 = 999_999_999
}

extension AnyMessage {
    /// Packs a message under the customary prefix `type.googleapis.com/`.
    public init(packing message: some WireMessage) {
        self.init(typeURL: "type.googleapis.com/" + type(of: message).fullName, value: message.encoded())
    }

    /// The message; nil when it has another type.
    public func unpack<M: WireMessage>(as type: M.Type) throws(WireError) -> M? {
        let name = typeURL.utf8.lastIndex(of: UInt8(ascii: "/")).map { typeURL[typeURL.index(after: $0)...] }
        guard let name, name == type.fullName else { return nil }
        return try M.decode(value)
    }
}
