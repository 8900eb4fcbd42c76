import JSON

/// A point in time: microseconds since 1970-01-01 00:00 UTC, PostgreSQL's own resolution.
package struct Timestamp: Sendable, Hashable, Comparable {
    package var microseconds: Int64

    package init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// In UTC to the microsecond (RFC 3339), as states have it.
    package var text: String {
        let (seconds, rest) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
        return rest < 0
            ? RFC3339.text(seconds: seconds - 1, nanoseconds: Int32(rest + 1_000_000) * 1_000)
            : RFC3339.text(seconds: seconds, nanoseconds: Int32(rest) * 1_000)
    }

    package static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.microseconds < right.microseconds
    }

    /// What PostgreSQL's `timestamptz` holds and protobuf's `Timestamp` allows: years 1 to 9999.
    package static let earliest = Timestamp(microseconds: -62_135_596_800_000_000)
    package static let latest = Timestamp(microseconds: 253_402_300_799_999_999)

    /// - Throws: `StateError.invalidArgument` for a time outside the years 1 to 9999.
    package func check(field: String) throws(StateError) {
        if self < .earliest || self > .latest {
            throw .invalidArgument(field: field, message: "must lie in the years 1 to 9999")
        }
    }
}

/// From `start` (inclusive) to `end` (exclusive); an absent end is open.
package struct TimeRange: Sendable, Equatable {
    package var start: Timestamp?
    package var end: Timestamp?

    package init(start: Timestamp? = nil, end: Timestamp? = nil) {
        self.start = start
        self.end = end
    }

    package var isUnbounded: Bool { start == nil && end == nil }
}
