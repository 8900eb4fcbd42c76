import FlowModel

/// Versions and events of a flow as one list, newest first. Pure.
///
/// Each kind has a fixed order of its own: versions by number, events by id. Their times tell how the two interleave, but do not always
/// agree with those orders: a statement's time is that of its start, however long it then waits for a lock, and clocks are set back. So for
/// each kind the earliest time shown so far is kept, and no later entry counts as newer than that: what is shown next depends only on what
/// was shown before, whatever the size of the pages.
struct HistoryMerge {
    /// The position behind the entries shown so far.
    struct Place: Sendable, Equatable {
        /// The next version is before this one, and the next event before this one.
        var version = FlowVersion.max
        var event = Int64.max
        /// The earliest times shown so far.
        var versionTime = Int64.max
        var eventTime = Int64.max
    }

    private(set) var place: Place
    /// The next entries of each kind, newest first.
    private var versions: ArraySlice<VersionRecord>
    private var events: ArraySlice<EventRecord>

    init(place: Place, versions: ArraySlice<VersionRecord>, events: ArraySlice<EventRecord>) {
        self.place = place
        self.versions = versions
        self.events = events
    }

    var isEmpty: Bool { versions.isEmpty && events.isEmpty }

    /// The next `count` entries, or as many as there are.
    ///
    /// - Parameters:
    ///   - endsWithVersions: more versions follow that are not here: no event may be shown before those.
    ///   - endsWithEvents: the same for events.
    mutating func next(_ count: Int, endsWithVersions: Bool = false, endsWithEvents: Bool = false) -> [HistoryRecord] {
        var shown: [HistoryRecord] = []
        while shown.count < count, !(endsWithVersions && versions.isEmpty), !(endsWithEvents && events.isEmpty), let record = next() {
            shown.append(record)
        }
        return shown
    }

    /// With equal times the version is the older one: an event about it came after it.
    private mutating func next() -> HistoryRecord? {
        let versionTime = versions.first.map { min($0.createdAt.microseconds, place.versionTime) }
        let eventTime = events.first.map { min($0.createdAt.microseconds, place.eventTime) }
        if let eventTime, versionTime.map({ $0 <= eventTime }) ?? true, let event = events.popFirst() {
            (place.event, place.eventTime) = (event.id, eventTime)
            return .event(event)
        }
        guard let versionTime, let version = versions.popFirst() else { return nil }
        (place.version, place.versionTime) = (version.version, versionTime)
        return .version(version)
    }
}

extension HistoryMerge.Place {
    /// nil: the position was not made from a place.
    init?(_ position: PageToken.Position) {
        let numbers = position.text.split(separator: " ").compactMap { Int64($0) }
        guard numbers.count == 3 else { return nil }
        self.init(version: position.number, event: numbers[0], versionTime: numbers[1], eventTime: numbers[2])
    }

    var position: PageToken.Position { PageToken.Position(number: version, text: "\(event) \(versionTime) \(eventTime)") }
}
