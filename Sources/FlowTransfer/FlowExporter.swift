import FlowArchive
import FlowStateClient

/// Reads flows with all their history from a server into an archive, one version at a time.
package struct FlowExporter {
    /// Hears how an export goes on.
    package struct Observer {
        /// After each version: what was written so far.
        package var wrote: (ArchiveTotals) -> Void
        /// A version that the server has lost is left out.
        package var leftOut: (_ version: Int64, _ flowID: String, ClientError) -> Void

        package init(
            wrote: @escaping (ArchiveTotals) -> Void = { _ in },
            leftOut: @escaping (_ version: Int64, _ flowID: String, ClientError) -> Void = { _, _, _ in }
        ) {
            self.wrote = wrote
            self.leftOut = leftOut
        }
    }

    /// Entries per page: few, since a version's metadata may have 64 KiB and a flow's labels half of that.
    private static let pageSize: Int32 = 100

    private let client: StateClient
    private let writer: ArchiveWriter
    private let observer: Observer
    /// Flows that were deleted before they could be exported.
    package private(set) var deletedFlows: Int64 = 0
    /// Versions whose bytes the server has lost.
    package private(set) var unreadableVersions: Int64 = 0

    package init(_ client: StateClient, _ writer: ArchiveWriter, _ observer: Observer = Observer()) {
        self.client = client
        self.writer = writer
        self.observer = observer
    }

    /// Exports every flow that matches a filter, by id.
    /// - Throws: `ClientError`, `ArchiveError`, and what writing the file throws.
    package mutating func export(_ filter: FlowFilter) async throws {
        var token = ""
        repeat {
            let page = try await client.listFlows(
                ListFlowsRequest(filter: filter, order: .flowIDAsc, pageSize: Self.pageSize, pageToken: token))
            for listed in page.flows {
                if let flow = try await client.head(ofFlow: listed.flowID, includeDeleted: false) {
                    try await export(flow)
                } else {
                    deletedFlows += 1
                }
            }
            token = page.nextPageToken
        } while !token.isEmpty
    }

    /// Exports one flow.
    /// - Throws: `TransferError.flowNotFound`, and as above.
    package mutating func export(id: String) async throws {
        guard let flow = try await client.head(ofFlow: id, includeDeleted: false) else {
            throw TransferError.flowNotFound(id: id)
        }
        try await export(flow)
    }

    /// - Parameter flow: Its current head; versions that are made meanwhile are left out.
    private mutating func export(_ flow: Flow) async throws {
        let checkpoints = try await checkpoints(of: flow.flowID)
        try writer.append(flow)
        var versions = VersionCursor(client, flowID: flow.flowID)
        while let listed = try await versions.next(), listed.version <= flow.version {
            try await exportVersion(listed.version, of: flow.flowID, checkpoints[listed.version] ?? [])
        }
        try await exportWrites(of: flow.flowID)
        try await exportEvents(of: flow.flowID)
    }

    private mutating func exportVersion(_ number: Int64, of flowID: String, _ checkpoints: [Checkpoint]) async throws {
        do {
            let loaded = try await load(number, of: flowID)
            guard let loaded, let info = loaded.version else {
                throw TransferError.malformedAnswer("the server's answer has no snapshot")
            }
            try writer.append(ArchivedVersion(info: info, state: loaded.state, checkpoints: checkpoints))
        } catch let error as ClientError where error.reason == "VERSION_NOT_FOUND" {
            // Retention has removed it since it was listed.
        } catch let error as ClientError where error.code == .dataLoss {
            unreadableVersions += 1
            observer.leftOut(number, flowID, error)
        }
        observer.wrote(writer.totals)
    }

    private func load(_ number: Int64, of flowID: String) async throws -> Snapshot? {
        let request = LoadStateRequest(flowID: flowID, selector: .version(number))
        do {
            return try await client.loadState(request).snapshot
        } catch let error as ClientError where error.reason == "STATE_TOO_LARGE" {
            var state: [UInt8] = []
            var snapshot = try await client.downloadState(request) { state += $0 }
            snapshot.state = state
            return snapshot
        }
    }

    /// Checkpoints by version, oldest first.
    private func checkpoints(of flowID: String) async throws -> [Int64: [Checkpoint]] {
        var found: [Int64: [Checkpoint]] = [:]
        var token = ""
        repeat {
            let page = try await client.listCheckpoints(
                ListCheckpointsRequest(flowID: flowID, pageSize: Self.pageSize, pageToken: token))
            for checkpoint in page.checkpoints { found[checkpoint.version, default: []].append(checkpoint) }
            token = page.nextPageToken
        } while !token.isEmpty
        return found.mapValues { $0.reversed() }
    }

    private func exportWrites(of flowID: String) async throws {
        var token = ""
        repeat {
            let page = try await client.listWrites(ListWritesRequest(flowID: flowID, pageSize: Self.pageSize, pageToken: token))
            for write in page.writes { try writer.append(write) }
            token = page.nextPageToken
        } while !token.isEmpty
    }

    private func exportEvents(of flowID: String) async throws {
        var token = ""
        repeat {
            let page = try await client.getHistory(GetHistoryRequest(flowID: flowID, pageSize: Self.pageSize, pageToken: token))
            for entry in page.entries { if case .event? = entry.entry { try writer.append(entry) } }
            token = page.nextPageToken
        } while !token.isEmpty
    }
}
