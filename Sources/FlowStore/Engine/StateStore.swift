import Compression
import FlowModel
import Logging
import Postgres
import Resources

/// Flows in PostgreSQL: takes commands, returns outcomes.
///
/// A change is acknowledged after its commit was confirmed. Changes of one flow through one store are applied in the order in which they
/// were submitted (`SubmissionOrder`), except for those derived from the latest version: patches, steps and restores run one after the
/// other, and saves that are submitted meanwhile come before them. Any number of stores, in any number of processes, may work on one
/// database.
package final class StateStore: Sendable {
    let database: Database
    package let limits: Limits
    /// Whether saves are validated by the definitions of their flows' types.
    package let validatesSaves: Bool
    package let cleanup: CleanupSettings
    /// Whether recovery starts automatically where a definition says so. `RecoverFlow` always recovers.
    package let recoversByPolicy: Bool
    /// Runs computations that may take more than a millisecond.
    let scheduler: ComputeScheduler
    private let logger: Logger

    private let shared: StoreResources
    /// For a command that is being submitted: cache entries from before a lost connection are removed first.
    var resources: StoreResources {
        shared.follow()
        return shared
    }

    /// Bytes of cached versions and definitions, without those in borrowed memory.
    package var rememberedBytes: Int { shared.cache.ownBytes + shared.definitions.byteCount + shared.directory.byteCount }

    /// Caches more versions in memory that requests leave free.
    package func borrowMemory(from budget: MemoryBudget) { shared.cache.borrow(from: budget) }

    /// - Parameters:
    ///   - database: its schema must be at `StoreSchema.migrations`; its owner starts it and shuts it down.
    ///   - scheduler: its owner stops it; nil: the store has one of its own.
    package init(
        database: Database, limits: Limits, validatesSaves: Bool = true, recoversByPolicy: Bool = true,
        cleanup: CleanupSettings = CleanupSettings(), scheduler: ComputeScheduler? = nil, logger: Logger
    ) {
        self.database = database
        self.limits = limits
        self.validatesSaves = validatesSaves
        self.cleanup = cleanup
        self.recoversByPolicy = recoversByPolicy
        self.scheduler = scheduler ?? ComputeScheduler(queueLimit: limits.queuedComputations)
        self.logger = logger
        shared = StoreResources(limits: limits, lists: database.configuration.lists) { database.connectionLosses }
    }

    /// Checks the command and runs it. `completion` is called exactly once, on the context's executor, possibly before this
    /// returns. Never blocks. May be called from any thread.
    package func run<Command: StoreCommand>(
        _ command: Command, context: OperationContext,
        completion: @escaping @Sendable (Result<Command.Outcome, StateError>) -> Void
    ) {
        do {
            try command.run(on: self, context: context, completion: completion)
        } catch {
            context.executor.execute { completion(.failure(error)) }
        }
    }

    /// As above, for tasks. Cancelling the task cancels the command.
    package func run<Command: StoreCommand>(
        _ command: Command, deadline: Instant? = nil
    ) async throws(StateError) -> Command.Outcome {
        let token = CancellationToken()
        let context = OperationContext(deadline: deadline, cancellation: token)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                run(command, context: context) { continuation.resume(returning: $0) }
            }
        } onCancel: {
            token.cancel()
        }
        return try result.get()
    }

    /// The context of a change whose request takes a while to read: later changes of the flow wait behind it, until it is submitted with
    /// this context or the context is released.
    package func placed(_ context: OperationContext, _ key: FlowKey) -> OperationContext { context.placed(key, in: self) }

    /// Ends what waits for other callers: the server stops, and who waited asks another one.
    package func stopWaiting() {
        shared.leaseLine.close()
        shared.feed.close()
    }

    // MARK: Called by the commands

    /// Changes of one flow are applied in the order of their arrival.
    func enqueue(
        _ change: Change, _ context: OperationContext, _ completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) {
        order(change, context) { [self] result in completion(answer(result) { if case .saved(let saved) = $0 { saved } else { nil } }) }
    }

    /// The same for changes with other outcomes.
    ///
    /// - Parameter outcome: the part of the outcome that the command waits for.
    func enqueue<Value>(
        _ change: Change, _ context: OperationContext, _ outcome: @escaping @Sendable (ChangeOutcome) -> Value?,
        _ completion: @escaping @Sendable (Result<Value, StateError>) -> Void
    ) {
        order(change, context) { [self] result in completion(answer(result, outcome)) }
    }

    /// Queries that may share a batch are short and run with the loads; the others read much and have a connection of their own.
    ///
    /// - Parameter shard: selects the writer; nil: the query reads.
    func enqueue<Value>(
        _ query: Query<Value>, shard: UInt64? = nil, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<Value, StateError>) -> Void
    ) {
        if shard == nil, query.affinity != .any { return list(query, reserving: 0, context, { result, _ in result }, completion) }
        enqueue(query, shard.map { .write(shard: $0) } ?? .shortRead, context) { [self] result in completion(answer(result)) }
    }

    /// Reads a page. The most memory that it may take is reserved before, and what it does not take is given back.
    ///
    /// - Parameters:
    ///   - rows: the most rows that may come.
    ///   - rowBytes: the most bytes that each may take.
    ///   - surplus: rows that may be sent beyond those that fit into a page.
    func enqueue<Element>(
        _ query: Query<Page<Element>>, rows: Int, rowBytes: Int, surplus: Int = 1, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<Page<Element>, StateError>) -> Void
    ) {
        // Once as received, once as decoded.
        let bytes = 2 * min(rows * rowBytes, pageBytes + surplus * rowBytes)
        let settle: @Sendable (Result<Page<Element>, StateError>, Int) -> Result<Page<Element>, StateError> = { result, reserved in
            let taken = (try? result.get()).map { 2 * $0.byteCount } ?? 0
            context.memory?.memory.release(reserved - taken)
            do throws(StateError) {
                try context.reserve(taken - reserved)
                return result
            } catch {
                return .failure(error)
            }
        }
        list(query.measured(), reserving: bytes, context, settle, completion)
    }

    /// The bytes of a page: less than `Limits.pageBytes` where the process has little memory.
    var pageBytes: Int { min(limits.pageBytes, max(limits.memoryBytes / 32, 1)) }

    /// - Parameters:
    ///   - bytes: the most that the answer may take. One of the calls that share an answer reserves them.
    ///   - settle: gives back what the call has reserved beyond the answer. On the connection's thread, before the next query begins: the
    ///     event loop may come to the answer much later.
    private func list<Value>(
        _ query: Query<Value>, reserving bytes: Int, _ context: OperationContext,
        _ settle: @escaping @Sendable (_ result: Result<Value, StateError>, _ reserved: Int) -> Result<Value, StateError>,
        _ completion: @escaping @Sendable (Result<Value, StateError>) -> Void
    ) {
        let turns = resources.listTurns
        // The turn ends on the connection's thread, so that the next query is queued before that thread looks for more.
        var inline = context
        inline.executor = InlineExecutor.shared
        let finish: @Sendable (Result<Value, StateError>) -> Void = { result in context.executor.execute { completion(result) } }
        let request = ListTurns.Request(caller: context.caller, affinity: query.affinity, abandonment: { context.abandonment }) {
            [self, inline] hasTurn in
            let reserved = hasTurn ? bytes : 0
            do throws(StateError) {
                try context.reserve(reserved)
            } catch {
                if hasTurn { turns.end() }
                return finish(.failure(error))
            }
            enqueue(query, .list, inline) { result in
                let settled = settle(self.answer(result), reserved)
                if hasTurn { turns.end() }
                finish(settled)
            }
        } refuse: {
            finish(.failure($0))
        }
        turns.begin(request)
    }

    /// Runs a query on the connections of a route.
    func ask<Value>(_ query: Query<Value>, on route: Route, for context: OperationContext) async throws(StateError) -> Value {
        try await wait(context) { (context, completion) in enqueue(query, route, context) { [self] in completion(answer($0)) } }
    }

    /// For long operations: on a connection of their own, so that loads and saves do not wait behind them.
    func enqueueInBackground<O: Postgres.Operation, Value>(
        _ operation: O, _ context: OperationContext, _ completion: @escaping @Sendable (Result<Value, StateError>) -> Void
    ) where O.Outcome == Result<Value, StateError> {
        enqueue(operation, .background, context) { [self] result in completion(answer(result)) }
    }

    /// `enqueueInBackground`, for tasks. Cancelling the task cancels the operation.
    func runInBackground<O: Postgres.Operation>(
        _ operation: O, deadline: Instant? = nil
    ) async throws(StateError) -> O.Outcome {
        do {
            return try await database.group(for: .background).run(operation, deadline: deadline)
        } catch {
            throw StateError(error)
        }
    }

    /// Decodes each row of a statement with `row`, in the background.
    func rowsInBackground<Row: Sendable>(
        _ statement: Statement, _ parameters: Parameters, _ row: @escaping @Sendable (ResultRows, Int) throws(PostgresError) -> Row
    ) async throws(StateError) -> [Row] {
        let query = Query<[Row]>(statement: statement, parameters: parameters) { rows throws(PostgresError) in
            var result: [Row] = []
            for index in 0..<rows.count { result.append(try row(rows, index)) }
            return .success(result)
        }
        return try await runInBackground(query).get()
    }

    /// Queues a change behind the changes of its flow that were submitted before it.
    private func order(_ change: Change, _ context: OperationContext, _ completion: @escaping Change.Completion) {
        if change.storedBytes > limits.batchedChangeBytes { return writeApart(change, context, completion) }
        if context.place == nil, shared.order.isIdle { return write(change, context, completion) }
        do throws(StateError) {
            try shared.order.submit(change.key, context.place) { [self] in write(change, context.withoutPlace, completion) }
        } catch {
            context.executor.execute { completion(.failure(error)) }
        }
    }

    private func write(_ change: Change, _ context: OperationContext, _ completion: @escaping Change.Completion) {
        change.begin(shared.changes.begin(change.shard), completion)
        enqueue(change, .write(shard: change.shard), context)
    }

    /// Sends a large change on a separate connection, so that changes of other flows need not wait for as long as PostgreSQL takes with it.
    /// Those of its own flow do: it runs when all that were submitted before it have ended, and later ones wait until it has.
    private func writeApart(_ change: Change, _ context: OperationContext, _ completion: @escaping Change.Completion) {
        let place = context.place ?? shared.order.place(change.key)
        shared.order.whenFirst(place) { [self] in
            shared.changes.whenEnded(change.shard) { [self] in
                // The changes behind it continue before its caller's event loop runs the completion.
                var inline = context.withoutPlace
                inline.executor = InlineExecutor.shared
                change.begin(nil) { [shared] result in
                    shared.order.leave(place)
                    context.executor.execute { completion(result) }
                }
                enqueue(change, .largeWrite(shard: change.shard), inline)
            }
        }
    }

    private func enqueue(_ change: Change, _ route: Route, _ context: OperationContext) {
        database.group(for: route).enqueue(
            change, caller: context.caller, deadline: context.deadline, cancellation: context.cancellation, executor: context.executor)
    }

    private func enqueue<O: Postgres.Operation>(
        _ operation: O, _ route: Route, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<O.Outcome, PostgresError>) -> Void
    ) {
        database.group(for: route).enqueue(
            operation, caller: context.caller, deadline: context.deadline, cancellation: context.cancellation,
            executor: context.executor, completion: completion)
    }

    private func answer<Value>(_ result: Result<Result<Value, StateError>, PostgresError>) -> Result<Value, StateError> {
        let error: StateError
        switch result {
        case .success(.success(let value)): return .success(value)
        case .success(.failure(let refusal)): error = refusal
        case .failure(let failure): error = StateError(failure)
        }
        log(error)
        return .failure(error)
    }

    private func answer<Outcome>(
        _ result: Result<ChangeOutcome, StateError>, _ outcome: (ChangeOutcome) -> Outcome?
    ) -> Result<Outcome, StateError> {
        let error: StateError
        switch result {
        case .success(let value):
            if let outcome = outcome(value) { return .success(outcome) }
            error = .internalFault("a command got the outcome of another")
        case .failure(let refusal): error = refusal
        }
        log(error)
        return .failure(error)
    }

    /// Logs every notification. A message is a client's text, so it is kept on one line.
    func log(_ notification: NotificationRequest, about key: FlowKey) {
        let message = String(
            String.UnicodeScalarView(notification.message.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
        let level: Logger.Level =
            switch notification.level {
            case .info: .notice
            case .warning: .warning
            case .error: .error
            }
        logger.log(
            level: level, "\(notification.title)",
            metadata: [
                "notification": "\(notification.id)", "tenant": "\(key.tenant)", "flow": "\(key.flowID)", "message": "\(message)",
            ])
    }

    /// Only logs it: the call that started the recovery gets an answer of its own.
    func logRecovery(of key: FlowKey, failedWith error: StateError) {
        logger.warning(
            "recovery by policy failed", metadata: ["tenant": "\(key.tenant)", "flow": "\(key.flowID)", "error": "\(error)"])
    }

    /// Logs a flow that a clean-up skips.
    func logSkipped(_ key: FlowKey, _ error: StateError) {
        logger.warning(
            "clean-up skips a flow", metadata: ["tenant": "\(key.tenant)", "flow": "\(key.flowID)", "reason": "\(error)"])
    }

    /// Logs an overdue flow that cannot be reported.
    func logUnreported(_ key: FlowKey, _ error: StateError) {
        logger.warning(
            "an overdue flow cannot be reported", metadata: ["tenant": "\(key.tenant)", "flow": "\(key.flowID)", "error": "\(error)"])
    }

    func logSkipped(more flows: Int64) {
        logger.warning("clean-up skipped more flows", metadata: ["flows": "\(flows)"])
    }

    /// Logs what an operator must know even when no client reports it.
    func log(_ error: StateError) {
        switch error {
        case .dataLoss, .internalFault: logger.error("\(error.description)")
        default: break
        }
    }
}

/// The resources that the commands of one store share.
final class StoreResources: Sendable {
    let limits: Limits
    private let currentHistory: @Sendable () -> Int
    let cache: VersionCache
    let zstd: ZstdPool
    let patchDepth: PatchDepth
    let definitions: DefinitionCache
    let directory: DefinitionDirectory
    let turns: FlowTurns
    let order: SubmissionOrder
    let changes = ChangesUnderWay()
    let refusedLoads = RefusedLoads()
    let listTurns: ListTurns
    let listSearches = ListSearches()
    let leaseLine = LeaseLine()
    let feed: ChangeFeed
    let statistics = StatisticsCache()
    let validationCounts = ValidationCounts()

    /// - Parameters:
    ///   - lists: the number of connections for lists.
    ///   - history: `Database.connectionLosses`.
    init(limits: Limits, lists: Int = 1, history: @escaping @Sendable () -> Int = { 0 }) {
        self.limits = limits
        currentHistory = history
        cache = VersionCache(capacity: limits.versionCacheBytes)
        zstd = ZstdPool()
        patchDepth = PatchDepth(limit: limits.patchDepth)
        definitions = DefinitionCache(limits: limits)
        feed = ChangeFeed(limits: limits)
        listTurns = ListTurns(turns: max(lists, 1), limits: limits)
        turns = FlowTurns(limit: limits.queuedOperations, flowLimit: limits.queuedOperationsPerFlow)
        order = SubmissionOrder(limit: limits.queuedOperations, flowLimit: max(limits.queuedOperations / 4, 1))
        directory = DefinitionDirectory(limits: limits)
    }

    /// A number that changes with each lost connection: the next one may lead to another server or a restored backup, and so to another
    /// history.
    var history: Int { currentHistory() }

    /// Removes cache entries of an earlier history.
    func follow() { cache.follow(with: history) }
}
