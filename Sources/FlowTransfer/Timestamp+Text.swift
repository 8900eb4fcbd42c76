import JSON
import WireMessages

extension WireMessages.Timestamp {
    /// In UTC with microseconds (RFC 3339), such as `2026-03-01T09:30:00.250000Z`.
    package var text: String { RFC3339.text(seconds: seconds, nanoseconds: nanos) }

    /// In UTC for people, such as `2026-03-01 09:30:00Z`.
    package var shortText: String { RFC3339.shortText(seconds: seconds) }

    /// Reads what `RFC3339.parse` reads.
    package init?(text: String) {
        guard let time = RFC3339.parse(text) else { return nil }
        self.init(seconds: time.seconds, nanos: time.nanoseconds)
    }
}
