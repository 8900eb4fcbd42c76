/// A point in time: microseconds since 1970-01-01 00:00 UTC, PostgreSQL's own resolution.
public struct Timestamp: Sendable, Hashable, Comparable {
    public var microseconds: Int64

    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.microseconds < right.microseconds
    }

    /// What PostgreSQL's `timestamptz` holds and protobuf's `Timestamp` allows: years 1 to 9999.
    public static let earliest = Timestamp(microseconds: -62_135_596_800_000_000)
    public static let latest = Timestamp(microseconds: 253_402_300_799_999_999)

    /// - Throws: `StateError.invalidArgument` for a time outside the years 1 to 9999.
    public func check(field: String) throws(StateError) {
        if self < .earliest || self > .latest {
            throw .invalidArgument(field: field, message: "must lie in the years 1 to 9999")
        }
    }
}

/// From `start` (inclusive) to `end` (exclusive); an absent end is open.
public struct TimeRange: Sendable, Equatable {
    public var start: Timestamp?
    public var end: Timestamp?

    public init(start: Timestamp? = nil, end: Timestamp? = nil) {
        self.start = start
        self.end = end
    }

    public var isUnbounded: Bool { start == nil && end == nil }
}
