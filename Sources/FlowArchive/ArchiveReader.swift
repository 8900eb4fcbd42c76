import Protobuf
import WireMessages

/// Reads an archive (`archive.proto`), record by record, with one version in memory, and checks everything that it says. Belongs to one
/// thread at a time.
///
/// When `next` returns `nil`, all of the archive was read and is as it was written: every state has its digest, no record is missing, none
/// was added.
package final class ArchiveReader {
    /// The contents of an archive, in its order.
    package enum Item: Sendable {
        case flow(Flow)
        /// A version of the flow before it.
        case version(ArchivedVersion)
        /// A pending write of the flow before it.
        case write(StoredWrite)
        /// An event of the flow before it.
        case event(HistoryEntry)
    }

    /// What a flow has is in this order.
    private enum Place { case versions, writes, events }

    private let source: RecordSource
    package let header: ArchiveHeader
    /// What was read so far.
    package private(set) var totals = ArchiveTotals()
    private var flow: Flow?
    private var lastVersion: Int64 = 0
    private var place = Place.versions
    private var isDone = false

    /// - Parameter read: Fills the beginning of an array with the next bytes of the file and returns how many there are; 0 at the end.
    /// - Throws: `ArchiveError` when the file does not begin as an archive does, and what `read` throws.
    package init(read: @escaping (inout [UInt8]) throws -> Int) throws {
        source = try RecordSource(read: read)
        guard case .header(let header) = try Self.firstRecord(source), header.format == ArchiveFormat.name else {
            throw ArchiveError.notAnArchive
        }
        guard header.formatVersion == ArchiveFormat.version else { throw ArchiveError.unknownFormat(version: header.formatVersion) }
        self.header = header
    }

    /// If anything is wrong with the beginning, the file is most likely not an archive; only one that is too short is reported as
    /// truncated.
    private static func firstRecord(_ source: RecordSource) throws -> ArchiveRecord.Record? {
        do {
            return try source.next().record
        } catch ArchiveError.damaged, ArchiveError.recordTooLarge {
            throw ArchiveError.notAnArchive
        }
    }

    /// The next item; nil at the end of a complete archive.
    ///
    /// - Throws: `ArchiveError`, and what `read` throws. Nothing more can be read after that.
    package func next() throws -> Item? {
        guard !isDone else { return nil }
        var state: [UInt8] = []
        var digest = source.digest
        var record = try source.next().record
        while case .statePart(let part)? = record {
            state += part
            guard !part.isEmpty, state.count <= ArchiveFormat.stateBytes else {
                throw ArchiveError.damaged("a state has an empty part, or too many")
            }
            digest = source.digest
            record = try source.next().record
            guard case .statePart? = record else {
                guard case .version(var version)? = record else { throw ArchiveError.damaged("parts of a state stand in the wrong place") }
                version.state = state + version.state
                return .version(try accept(version))
            }
        }
        switch record {
        case .flow(let flow)?: return .flow(try accept(flow))
        case .version(let version)?: return .version(try accept(version))
        case .event(let event)?:
            guard flow != nil else { throw ArchiveError.damaged("an event stands before the first flow") }
            place = .events
            totals.events += 1
            return .event(event)
        case .write(let write)?:
            guard flow != nil, place != .events, write.write != nil else {
                throw ArchiveError.damaged("a write is empty, or stands in the wrong place")
            }
            place = .writes
            totals.writes += 1
            return .write(write)
        case .trailer(let trailer)?:
            try accept(trailer, digest: digest)
            isDone = true
            return nil
        case .statePart?, .header?: throw ArchiveError.damaged("it has a record that does not belong there")
        case nil: throw ArchiveError.damaged("a record is of an unknown kind")
        }
    }

    private func accept(_ flow: Flow) throws(ArchiveError) -> Flow {
        guard !flow.flowID.isEmpty, flow.version > 0 else { throw .damaged("a flow has no id or no version") }
        self.flow = flow
        lastVersion = 0
        place = .versions
        totals.flows += 1
        return flow
    }

    private func accept(_ version: ArchivedVersion) throws(ArchiveError) -> ArchivedVersion {
        guard let flow, place == .versions else { throw .damaged("a version stands in the wrong place") }
        if let fault = version.fault { throw .damaged(fault) }
        let number = version.info?.version ?? 0
        guard number > lastVersion, number <= flow.version else { throw .damaged("version \(number) stands in the wrong place") }
        lastVersion = number
        totals.count(version)
        return version
    }

    private func accept(_ trailer: ArchiveTrailer, digest: [UInt8]) throws {
        var expected = ArchiveTotals()
        (expected.flows, expected.versions, expected.checkpoints) = (trailer.flows, trailer.versions, trailer.checkpoints)
        (expected.events, expected.stateBytes) = (trailer.events, trailer.stateBytes)
        expected.writes = trailer.writes
        guard expected == totals, trailer.digest == digest else { throw ArchiveError.damaged("it does not match its last record") }
        try source.expectEnd()
    }
}
