import JSON

extension StateError {
    package init(_ stopped: WorkStopped) {
        switch stopped {
        case .exhausted(let limit): self = .workLimitExceeded(limit: limit)
        case .deadline: self = .deadlineExceeded(outcomeUnknown: false)
        case .cancelled: self = .cancelled
        case .stopping:
            self = .databaseUnavailable(
                message: "this server is shutting down", outcomeUnknown: false, retryAfterMilliseconds: Self.restartMilliseconds)
        case .refused(let error): self = error as? StateError ?? .internalFault("\(error)")
        }
    }

    /// How soon another server may answer in place of one that stops.
    private static var restartMilliseconds: Int64 { 1_000 }

    /// The result of a computation; an early end becomes an error of the request.
    package static func counting<Value>(_ body: () throws(WorkStopped) -> Value) throws(StateError) -> Value {
        do throws(WorkStopped) {
            return try body()
        } catch {
            throw StateError(error)
        }
    }
}
