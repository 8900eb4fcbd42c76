import FlowModel

extension ListVersionsCommand {
    /// The states and writes of the versions of a page.
    func contents(in store: StateStore, for context: OperationContext) -> PageContents<ListedVersion> {
        PageContents(
            store: store, token: { token(after: $0) },
            expectedBytes: { includesStates ? min(Int(clamping: $0.record.size), store.limits.stateBytes) : 0 },
            loadedBytes: { $0.loaded?.contentBytes ?? 0 },
            load: { (version: ListedVersion) async throws(StateError) in
                do throws(StateError) {
                    let outcome = try await load(version, in: store, for: context)
                    return ListedVersion(flowID: version.flowID, record: version.record, loaded: outcome)
                } catch .versionNotFound {
                    return nil
                }
            })
    }

    private func load(
        _ version: ListedVersion, in store: StateStore, for context: OperationContext
    ) async throws(StateError) -> LoadOutcome {
        let key = try FlowKey(tenant: tenant, flowID: version.flowID, limits: store.limits)
        var load = LoadCommand(key: key, selector: .version(version.version), ifVersionNot: includesStates ? nil : version.version)
        load.includesWrites = includesWrites
        // Such a state is left out.
        load.findsParts = true
        let loaded = try await store.load(load, for: context)
        guard !writeChannels.isEmpty, case .withWrites(let outcome, var page) = loaded else { return loaded }
        page.elements.removeAll { !writeChannels.containsBytes(of: $0.write.channel) }
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
