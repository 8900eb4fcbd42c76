import FlowModel
import JSON
import Resources

// Work whose size input decides: rules, patches, differences, documents. It is counted in steps (`WorkBudget`).

extension StateStore {
    /// What is tried on the caller's thread, usually an event loop, in bytes of JSON and in steps: a fraction of a millisecond. Most states
    /// and definitions need less, and avoid the way to another thread and back.
    private static let quickBytes = 16 << 10
    private static let quickSteps = 10_000
    /// What is tried as a short job: some ten milliseconds.
    private static let shortBytes = 256 << 10
    private static let shortSteps = 200_000

    /// Runs `work` here if it is short, else on a thread of the scheduler. Work that turns out to be longer starts anew as a long job: long
    /// jobs wait for each other, and short ones do not wait for them.
    ///
    /// - Parameters:
    ///   - texts: what `work` reads.
    ///   - completion: called once, on this or another thread.
    ///   - work: pure: it may run more than once. It stops when its budget says so.
    func compute<Value: Sendable>(
        _ texts: [[UInt8]], _ context: OperationContext, _ completion: @escaping @Sendable (Result<Value, StateError>) -> Void,
        _ work: @escaping @Sendable (WorkBudget) throws(StateError) -> Value
    ) {
        let size = texts.reduce(0) { $0 + $1.count }
        if size <= Self.quickBytes {
            let budget = WorkBudget(steps: min(Self.quickSteps, limits.work))
            let result = Result { () throws(StateError) in try work(budget) }
            if !budget.isExhausted { return completion(result) }
        }
        if size > Self.shortBytes { return computeLong(texts, context, completion, work) }
        let finish: @Sendable (Result<Result<Value, StateError>?, StateError>) -> Void = { [self] outcome in
            switch outcome {
            case .success(let result?): completion(result)
            case .success(nil): computeLong(texts, context, completion, work)
            case .failure(let error): completion(.failure(error))
            }
        }
        schedule(.short, context, finish) { () throws(StateError) in
            let budget = self.budget(context, steps: Self.shortSteps)
            defer { context.memory?.memory.release(budget.reserved) }
            let result = Result { () throws(StateError) in try work(budget) }
            return budget.isExhausted && self.limits.work > Self.shortSteps ? nil : result
        }
    }

    private func computeLong<Value: Sendable>(
        _ texts: [[UInt8]], _ context: OperationContext, _ completion: @escaping @Sendable (Result<Value, StateError>) -> Void,
        _ work: @escaping @Sendable (WorkBudget) throws(StateError) -> Value
    ) {
        schedule(.long, context, completion) { () throws(StateError) in
            let budget = self.budget(context, steps: .max)
            defer { context.memory?.memory.release(budget.reserved) }
            return try work(budget)
        }
    }

    /// As above, for tasks.
    func compute<Value: Sendable>(
        _ texts: [[UInt8]], _ context: OperationContext, _ work: @escaping @Sendable (WorkBudget) throws(StateError) -> Value
    ) async throws(StateError) -> Value {
        let result = await withCheckedContinuation { continuation in
            compute(texts, context, { continuation.resume(returning: $0) }, work)
        }
        return try result.get()
    }

    /// Always runs `work` on a thread of the scheduler.
    package func schedule<Value: Sendable>(
        _ length: ComputeScheduler.Length, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<Value, StateError>) -> Void,
        _ work: @escaping @Sendable () throws(StateError) -> Value
    ) {
        do throws(ComputeScheduler.Refusal) {
            try scheduler.submit(length, caller: context.caller) {
                if let reason = context.abandonment { return completion(.failure(reason)) }
                completion(Result(catching: work))
            }
        } catch {
            completion(.failure(StateError(error, limit: limits.queuedComputations)))
        }
    }

    /// The budget of a computation for a call: it ends with the call, and with the server. Its memory is the call's.
    private func budget(_ context: OperationContext, steps: Int) -> WorkBudget {
        WorkBudget(steps: min(steps, limits.work)) { [scheduler] in
            switch context.abandonment {
            case .cancelled: .cancelled
            case .some: .deadline
            case nil: scheduler.isStopping ? .stopping : nil
            }
        } reserve: { bytes in
            do throws(StateError) {
                try context.reserve(bytes)
                return nil
            } catch {
                return .refused(error)
            }
        }
    }
}

extension OperationContext {
    /// Why the call no longer waits for an outcome; nil while it does.
    var abandonment: StateError? {
        if cancellation?.isCancelled ?? false { return .cancelled }
        if let deadline, deadline <= .now { return .deadlineExceeded(outcomeUnknown: false) }
        return nil
    }
}

extension StateError {
    fileprivate init(_ refusal: ComputeScheduler.Refusal, limit: Int) {
        switch refusal {
        case .overloaded(let queued):
            self = .overloaded(queued: queued, limit: limit, unit: "computations", retryAfterMilliseconds: 500)
        case .stopping:
            self = .databaseUnavailable(message: "this server is shutting down", outcomeUnknown: false, retryAfterMilliseconds: 1_000)
        }
    }
}
