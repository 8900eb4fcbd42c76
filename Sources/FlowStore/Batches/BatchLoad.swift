import FlowModel

extension BatchLoadCommand: TaskCommand {
    package typealias Outcome = [Result<LoadOutcome, StateError>]

    package func check(limits: Limits) throws(StateError) { try StateCheck(limits: limits).check(batchOf: loads.count, "loads") }

    /// Loads under way at a time: they share statements, and each large one reserves memory.
    private static let concurrency = 64

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Outcome {
        var results: Outcome = []
        results.reserveCapacity(loads.count)
        var room = store.limits.messageBytes - loads.count * PageSQL.rowBytes
        while results.count < loads.count {
            let some = Array(loads[results.count...].prefix(Self.concurrency))
            let loaded = await concurrently(some, width: Self.concurrency) { (load: LoadCommand) async throws(StateError) in
                try await store.load(load, for: context)
            }
            for result in loaded {
                let size = (try? result.get())?.contentBytes ?? 0
                if size <= room {
                    room -= size
                    results.append(result)
                } else {
                    // What follows may still fit.
                    results.append(.failure(.tooLarge(what: "the response with this state", size: size, limit: max(room, 0))))
                }
            }
            if let reason = context.abandonment { throw reason }
        }
        return results
    }
}
