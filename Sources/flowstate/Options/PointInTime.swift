import ArgumentParser
import FlowTransfer
import WireMessages

/// A time on the command line: RFC 3339, such as `2026-03-01T09:30:00.25Z` or `2026-03-01T10:30:00+01:00`.
struct PointInTime: ExpressibleByArgument, Equatable {
    let timestamp: Timestamp

    init?(argument: String) {
        guard let timestamp = Timestamp(text: argument) else { return nil }
        self.timestamp = timestamp
    }
}
