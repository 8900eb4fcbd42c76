import FlowModel

extension DiffVersionsCommand: StoreCommand {
    package func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<VersionDiff, StateError>) -> Void
    ) throws(StateError) {
        guard from >= 1 else { throw .invalidArgument(field: "from_version", message: "is \(from); versions start at 1") }
        let later = LoadCommand(key: key, selector: to.map { .version($0) } ?? .latest)
        let limits = store.limits
        try LoadCommand(key: key, selector: .version(from)).submit(to: store, context: context) { earlier in
            do throws(StateError) {
                let old = try Self.snapshot(earlier)
                try later.submit(to: store, context: context) { later in
                    do throws(StateError) {
                        let new = try Self.snapshot(later)
                        store.compute([old.state, new.state], context, completion) { budget throws(StateError) in
                            let (before, after) = (try Self.document(old, limits, budget), try Self.document(new, limits, budget))
                            let patch = try StateError.counting { () throws(WorkStopped) in
                                try JSONDiff.patch(from: before, to: after, budget: budget)
                            }
                            return VersionDiff(from: old.version.version, to: new.version.version, patch: patch)
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

    private static func document(_ snapshot: Snapshot, _ limits: Limits, _ budget: WorkBudget) throws(StateError) -> JSONDocument {
        let parsed = try StateError.counting { () throws(WorkStopped) in
            try JSONDocument.parse(snapshot.state, maximumDepth: limits.jsonDepth, budget)
        }
        switch parsed {
        case .success(let document): return document
        case .failure(let fault):
            let version = snapshot.version
            throw .stateNotJSON(flowID: snapshot.head.key.flowID, version: version.version, message: "\(fault) (\(version.contentType))")
        }
    }
}
