import FlowStateClient

/// A flow's versions on a server without their states, lowest number first, a page at a time.
struct VersionCursor {
    /// Few, since a version's metadata may have 64 KiB.
    private static let pageSize: Int32 = 100

    private let client: StateClient
    private let flowID: String
    private var page: [VersionInfo] = []
    private var place = 0
    private var token = ""
    private var isLastPage = false

    init(_ client: StateClient, flowID: String) {
        self.client = client
        self.flowID = flowID
    }

    /// - Returns: nil when there are no more.
    /// - Throws: `ClientError`.
    mutating func next() async throws -> VersionInfo? {
        let version = try await peek()
        place += version == nil ? 0 : 1
        return version
    }

    /// The version of this number; nil when retention has removed it. Numbers must rise from call to call.
    mutating func version(_ number: Int64) async throws -> VersionInfo? {
        while let version = try await peek(), version.version <= number {
            place += 1
            if version.version == number { return version }
        }
        return nil
    }

    private mutating func peek() async throws -> VersionInfo? {
        while place == page.count, !isLastPage {
            let answer = try await client.listVersions(
                ListVersionsRequest(flowID: flowID, order: .oldestFirst, pageSize: Self.pageSize, pageToken: token))
            (page, place, token) = (answer.versions, 0, answer.nextPageToken)
            isLastPage = token.isEmpty
        }
        return place < page.count ? page[place] : nil
    }
}

extension StateClient {
    /// A flow's head, without its state; nil when there is none.
    func head(ofFlow id: String, includeDeleted: Bool) async throws -> Flow? {
        // In byte order an id comes before all others that begin with it.
        let request = ListFlowsRequest(
            filter: FlowFilter(flowIDPrefix: id, includeDeleted: includeDeleted), order: .flowIDAsc, pageSize: 1)
        return try await listFlows(request).flows.first { $0.flowID.utf8.elementsEqual(id.utf8) }
    }
}
