import FlowArchive
import FlowModel
import FlowStateClient
import WireMessages

/// Saves the versions of one flow from an archive on a server. Versions that the server has already are compared, and left as they are.
package struct FlowImporter {
    /// Why a flow could not be imported completely.
    package enum Problem {
        /// The server has a different flow of that id.
        case conflict(String)
        /// The server refuses it.
        case refused(String)

        package var text: String {
            switch self {
            case .conflict(let text), .refused(let text): text
            }
        }
    }

    /// What differs from the archive although all versions were saved.
    package struct Difference {
        package let text: String
        /// Some labels were left out, so that searches by them do not find the flow.
        package let lacksLabels: Bool
    }

    private let client: StateClient
    private let isDryRun: Bool
    /// Those that the server is taken to have.
    private let limits: Limits
    /// The flow as the archive has it.
    package let flow: Flow
    /// Versions that the server had before.
    package private(set) var versionsBefore: Int64 = 0
    package private(set) var savedVersions: Int64 = 0
    package private(set) var savedCheckpoints: Int64 = 0
    /// Pending writes that were sent; the server may have had some before.
    package private(set) var savedWrites: Int64 = 0
    /// Versions whose origin did not fit into their metadata.
    package private(set) var versionsWithoutOrigin: Int64 = 0
    package private(set) var numbering = Renumbering()
    package private(set) var problem: Problem?
    private var existing: VersionCursor
    /// The version before is a tombstone.
    private var isDeleted = false
    /// Writes of one version that are sent together.
    private var writes = AppendWritesRequest()

    /// Looks the flow up on the server.
    /// - Throws: `ClientError` when the server does not answer, here and below.
    package init(_ flow: Flow, _ client: StateClient, isDryRun: Bool, limits: Limits) async throws {
        self.client = client
        self.limits = limits
        self.flow = flow
        self.isDryRun = isDryRun
        existing = VersionCursor(client, flowID: flow.flowID)
        do {
            guard let head = try await client.head(ofFlow: flow.flowID, includeDeleted: true) else { return }
            versionsBefore = head.version
            if head.deleted {
                problem = .conflict("it was deleted here, and its id is not used again")
            } else if !head.flowType.utf8.elementsEqual(flow.flowType.utf8) {
                problem = .conflict("it has the type '\(head.flowType)' here and '\(flow.flowType)' in the archive")
            }
        } catch let error as ClientError {
            problem = try Self.problem(error)
        }
    }

    /// Imports the next version of the archive, in its order.
    package mutating func take(_ version: ArchivedVersion) async throws {
        guard problem == nil, let info = version.info else { return }
        // An earlier life of which retention has left nothing but its end.
        if info.event == .deleted, numbering.count == 0 { return }
        let number = numbering.add(info.version)
        defer { isDeleted = info.event == .deleted }
        do {
            if number <= versionsBefore {
                try await compare(version, info, number)
            } else {
                try await save(version, info, number)
            }
        } catch let error as ClientError {
            problem = try Self.problem(error, number)
        }
    }

    /// Imports the next pending write of the archive, behind all versions. Those that the server has already stay as they are, or with a
    /// negative index are replaced.
    package mutating func take(_ stored: WireMessages.StoredWrite) async throws {
        guard problem == nil, let write = stored.write else { return }
        let bytes = writes.writes.reduce(0) { $0 + $1.value.count }
        if !writes.versionLabel.utf8.elementsEqual(stored.versionLabel.utf8) || writes.writes.count == limits.writes
            || bytes + write.value.count > Self.writeBytes
        {
            try await sendWrites()
        }
        writes.versionLabel = stored.versionLabel
        writes.writes.append(write)
    }

    /// About how many bytes of writes are sent together.
    private static let writeBytes = 1 << 20

    /// Sends the writes that were taken. To be called behind the last one.
    package mutating func sendWrites() async throws {
        guard problem == nil, !writes.writes.isEmpty else { return }
        writes.flowID = flow.flowID
        do {
            if !isDryRun { _ = try await client.appendWrites(writes) }
            savedWrites += Int64(writes.writes.count)
        } catch let error as ClientError {
            problem = try Self.problem(error)
        }
        writes.writes = []
    }

    /// What differs from the archive, after all versions; nil when nothing does.
    package func difference() async throws -> Difference? {
        guard problem == nil, !isDryRun, savedVersions > 0,
            let head = try await client.head(ofFlow: flow.flowID, includeDeleted: false), head.version == numbering.count
        else { return nil }
        var names: [String] = []
        if !head.phase.utf8.elementsEqual(flow.phase.utf8) { names.append("phase") }
        if !head.status.utf8.elementsEqual(flow.status.utf8) { names.append("status") }
        if head.progress != flow.progress { names.append("progress") }
        if head.labels != flow.labels { names.append("labels") }
        if names.isEmpty { return nil }
        let missing = flow.labels.filter { label in
            !head.labels.contains { $0.key.utf8.elementsEqual(label.key.utf8) && $0.value.utf8.elementsEqual(label.value.utf8) }
        }
        return Difference(
            text: "its \(names.joined(separator: ", ")) could not be set to what the archive says", lacksLabels: !missing.isEmpty)
    }

    private mutating func compare(_ version: ArchivedVersion, _ info: VersionInfo, _ number: Int64) async throws {
        // A version that retention has removed here cannot conflict.
        guard let there = try await existing.version(number) else { return }
        guard there.digest == info.digest, there.contentType == info.contentType else {
            problem = .conflict("version \(number) has another state here")
            return
        }
        // An import that was interrupted may have saved the version without all of its checkpoints.
        let named = version.checkpoints.filter { !$0.name.isEmpty }
        let unnamed = version.checkpoints.filter { $0.name.isEmpty }
        let missing = named.filter { checkpoint in !there.checkpoints.contains { $0.utf8.elementsEqual(checkpoint.name.utf8) } }
        let others = there.checkpoints.count - (named.count - missing.count)
        try await create(missing + unnamed.dropFirst(max(others, 0)), number)
    }

    private mutating func save(_ version: ArchivedVersion, _ info: VersionInfo, _ number: Int64) async throws {
        let metadata = VersionOrigin.metadata(of: info, limits: limits)
        if metadata == nil { versionsWithoutOrigin += 1 }
        savedVersions += 1
        guard !isDryRun else {
            savedCheckpoints += Int64(version.checkpoints.count)
            return
        }
        if info.event == .deleted {
            do {
                _ = try await client.deleteFlow(DeleteFlowRequest(flowID: flow.flowID, precondition: .expectedVersion(number - 1)))
            } catch {
                savedVersions -= 1
                throw error
            }
            return
        }
        // A flow begins anew with its first version, and with one behind a tombstone.
        let isNew = number == 1 || isDeleted
        var request = SaveStateRequest(
            flowID: flow.flowID, flowType: isNew ? flow.flowType : "", change: .state(version.state),
            contentType: info.contentType, precondition: .expectedVersion(isNew ? 0 : number - 1))
        request.revive = isDeleted
        request.phase = info.phase
        request.status = info.status
        request.progress = info.progress
        // With the first version, so that lists find the flow from the beginning; with the last one, for a flow that is continued.
        if isNew || info.version == flow.version { request.labels = flow.labels }
        request.versionLabel = info.versionLabel
        // A first version has no parent; the parent of most others is the version before them, which is the default.
        if !info.parentVersionLabel.isEmpty {
            request.parentVersionLabel = info.parentVersionLabel
        } else if !isNew, info.parentVersion != 0 {
            request.parentVersion = numbering.imported(info.parentVersion) ?? 0
        }
        request.versionTags = info.versionTags
        request.metadata = metadata ?? VersionOrigin.shortened(info, limits: limits)
        request.checkpoint = version.checkpoints.first.map { CheckpointSpec(name: $0.name, description: $0.description) }
        do {
            let saved = try await saved(request)
            guard saved.digest == info.digest else {
                throw TransferError.malformedAnswer("the server has saved other bytes of '\(flow.flowID)', version \(number)")
            }
        } catch {
            savedVersions -= 1
            throw error
        }
        if request.checkpoint != nil { savedCheckpoints += 1 }
        try await create(version.checkpoints.dropFirst(), number)
    }

    /// Saves a version. With the flow's final labels a version may exceed the server's limit, since its state sets labels of its own; so
    /// may the flow itself, if it comes from a server with another limit. Then as many labels are sent as the server takes, and
    /// `difference` reports what is missing in the end.
    private func saved(_ request: SaveStateRequest) async throws -> SaveStateResponse {
        var request = request
        var room = flow.labels
        while true {
            do {
                return try await saveOrUpload(request)
            } catch let error as ClientError where error.fields == ["labels"] && !room.isEmpty {
                if !request.labels.isEmpty { room = StringMap(room.dropLast()) }
                if room.isEmpty { throw error }
                request.labels = room
            }
        }
    }

    private func saveOrUpload(_ request: SaveStateRequest) async throws -> SaveStateResponse {
        guard case .state(let state)? = request.change else { return try await client.saveState(request) }
        do {
            if state.count <= limits.stateBytes { return try await client.saveState(request) }
        } catch let error as ClientError where error.reason == "STATE_TOO_LARGE" {
            // The server takes smaller messages.
        }
        return try await client.uploadState(request, from: UploadSource(state))
    }

    private mutating func create(_ checkpoints: some Sequence<Checkpoint>, _ number: Int64) async throws {
        for checkpoint in checkpoints {
            if !isDryRun {
                _ = try await client.createCheckpoint(
                    CreateCheckpointRequest(
                        flowID: flow.flowID, name: checkpoint.name, version: number, description: checkpoint.description))
            }
            savedCheckpoints += 1
        }
    }

    /// - Throws: The error itself, when it says nothing about the flow.
    private static func problem(_ error: ClientError, _ number: Int64? = nil) throws -> Problem {
        let text = (number.map { "version \($0): " } ?? "") + error.message
        switch error.code {
        case .aborted, .alreadyExists, .notFound: return .conflict(text)
        case .resourceExhausted where error.reason == "OVERLOADED": throw error
        case .invalidArgument, .failedPrecondition, .resourceExhausted, .outOfRange: return .refused(text)
        default: throw error
        }
    }
}
