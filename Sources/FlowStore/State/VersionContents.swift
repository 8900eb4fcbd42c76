import FlowModel
import JSON

/// The states and writes of the versions of a page: each is loaded as any other, so that they share statements with loads of other calls.
struct VersionContents: Sendable {
    let command: ListVersionsCommand
    let store: StateStore
    let context: OperationContext

    /// Loads under way at a time.
    private static let concurrency = 32

    /// The page with its contents, as many as fit into a message, at least one. A version that was removed meanwhile is left out.
    func load(_ page: Page<ListedVersion>, seal: Fingerprint) async throws(StateError) -> Page<ListedVersion> {
        var (contents, bytes): ([ListedVersion], Int) = ([], page.byteCount)
        var rest = page.elements[...]
        var isCut = false
        while !rest.isEmpty, !isCut {
            let some = portion(rest, bytes)
            rest = rest.dropFirst(some.count)
            isCut = some.isEmpty
            for version in try await load(some) {
                let size = version.loaded?.contentBytes ?? 0
                if !contents.isEmpty, bytes + size > store.pageBytes {
                    isCut = true
                    break
                }
                bytes += size
                contents.append(version)
            }
        }
        var loaded = Page(elements: contents, next: page.next)
        if isCut { loaded.next = contents.last.map { command.token(after: $0) } ?? page.next }
        loaded.byteCount = bytes
        return loaded
    }

    /// As many as may fit.
    private func portion(_ versions: ArraySlice<ListedVersion>, _ taken: Int) -> ArraySlice<ListedVersion> {
        var bytes = taken
        return versions.prefix(Self.concurrency).prefix { version in
            let isFirst = bytes == taken
            bytes += command.includesStates ? Int(clamping: version.record.size) : 0
            return isFirst || bytes <= store.pageBytes
        }
    }

    private func load(_ versions: ArraySlice<ListedVersion>) async throws(StateError) -> [ListedVersion] {
        let results = await concurrently(Array(versions), width: Self.concurrency) { (version: ListedVersion) async throws(StateError) in
            try await load(version)
        }
        var loaded: [ListedVersion] = []
        for (place, version) in versions.enumerated() {
            do throws(StateError) {
                let outcome = try results[place].get()
                loaded.append(ListedVersion(flowID: version.flowID, record: version.record, loaded: outcome))
            } catch .versionNotFound {
                continue
            }
        }
        return loaded
    }

    private func load(_ version: ListedVersion) async throws(StateError) -> LoadOutcome {
        let key = try FlowKey(tenant: command.tenant, flowID: version.flowID, limits: store.limits)
        var load = LoadCommand(
            key: key, selector: .version(version.version), ifVersionNot: command.includesStates ? nil : version.version)
        load.includesWrites = command.includesWrites
        let loaded = try await store.load(load, for: context)
        guard !command.writeChannels.isEmpty, case .withWrites(let outcome, var page) = loaded else { return loaded }
        page.elements.removeAll { !command.writeChannels.containsBytes(of: $0.write.channel) }
        return .withWrites(outcome, page)
    }
}

extension LoadOutcome {
    /// Bytes of the state and of the writes.
    var contentBytes: Int {
        switch self {
        case .snapshot(let snapshot): snapshot.state.count
        case .unchanged: 0
        case .withWrites(let outcome, let page): outcome.contentBytes + page.elements.reduce(0) { $0 + $1.write.byteCount }
        }
    }
}
