import FlowModel
import JSON

extension DiffVersionsCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) {
        let check = StateCheck(limits: limits)
        try check.checkVersionNumber(from, "from_version")
        try check.checkVersionNumber(to, "to_version")
    }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> VersionDiff {
        let limits = store.limits
        let old = try await store.snapshot(of: key, .version(from), for: context)
        let new = try await store.snapshot(of: key, to.map { .version($0) } ?? .latest, for: context)
        return try await store.compute([old.state, new.state], context) { budget throws(StateError) in
            let (before, after) = (try Self.document(old, limits, budget), try Self.document(new, limits, budget))
            let patch = try StateError.counting { () throws(WorkStopped) in
                try JSONDiff.patch(from: before, to: after, budget: budget)
            }
            return VersionDiff(from: old.version.version, to: new.version.version, patch: patch)
        }
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
