import FlowModel

extension DiffVersionsCommand: StoreCommand {
    public func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<VersionDiff, StateError>) -> Void
    ) throws(StateError) {
        try StateCheck(limits: store.limits).checkVersionNumber(from, "from_version")
        let later = LoadCommand(key: key, selector: to.map { .version($0) } ?? .latest)
        let limits = store.limits
        try LoadCommand(key: key, selector: .version(from)).submit(to: store, context: context) { earlier in
            do throws(StateError) {
                let old = try Self.snapshot(earlier)
                try later.submit(to: store, context: context) { later in
                    do throws(StateError) {
                        let new = try Self.snapshot(later)
                        context.compute(old.state.count + new.state.count, completion) { () throws(StateError) in
                            let (one, other) = (
                                try Self.document(old, limits), try Self.document(new, limits)
                            )
                            do throws(WorkStopped) {
                                let patch = try JSONDiff.patch(from: one, to: other, budget: WorkBudget(steps: limits.work))
                                return VersionDiff(from: old.version.version, to: new.version.version, patch: patch)
                            } catch {
                                throw StateError(error)
                            }
                        }
                    } catch {
                        completion(.failure(error))
                    }
                }
            } catch {
                completion(.failure(error))
            }
        }
    }

    private static func snapshot(_ result: Result<LoadOutcome, StateError>) throws(StateError) -> Snapshot {
        guard case .snapshot(let snapshot) = try result.get() else { throw .internalFault("a load without a state") }
        return snapshot
    }

    private static func document(_ snapshot: Snapshot, _ limits: Limits) throws(StateError) -> JSONDocument {
        do {
            return try JSONDocument(snapshot.state, maximumDepth: limits.jsonDepth)
        } catch {
            let version = snapshot.version
            throw .stateNotJSON(flowID: snapshot.head.key.flowID, version: version.version, message: "\(error) (\(version.contentType))")
        }
    }
}
