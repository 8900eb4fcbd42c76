import FlowModel
import FlowService
import FlowStore
import GRPC
import Logging
import NIOCore
import NIOPosix
import Postgres
import PostgresCluster
import Resources
import ServiceLifecycle
import WireMessages

/// The whole server: database, store, services, sockets, and the order in which they start and stop.
///
///     start:  embedded PostgreSQL ▶ socket (health: NOT_SERVING) ▶ migrations ▶ connections (SERVING)
///     stop:   health NOT_SERVING ▶ GOAWAY, calls finish ▶ connections ▶ embedded PostgreSQL
///
/// With an external database the server listens before it can reach the database, answers UNAVAILABLE, and recovers.
package final class StateServer: Service {
    /// How long the last validation counts may take to be stored, when the server stops.
    private static let lastFlush = Duration.seconds(2)
    /// How long the first calls wait for `StateStore.readPatchDepth`.
    private static let patchDepthPatience = Duration.seconds(2)
    /// The pause between two attempts to prepare the database.
    private static let preparationPause = Duration.milliseconds(500)

    private let options: ServerOptions
    private let logger: Logger
    private let onReady: @Sendable (_ address: String) -> Void

    /// - Parameter onReady: Called once, when the server serves, with the address it listens on.
    package init(options: ServerOptions, logger: Logger, onReady: @escaping @Sendable (String) -> Void = { _ in }) {
        self.options = options
        self.logger = logger
        self.onReady = onReady
    }

    /// Runs until graceful shutdown (SIGTERM, SIGINT) or cancellation.
    /// - Throws: When it cannot start: the data directory is in use, the port taken, the database unusable.
    package func run() async throws {
        try options.checkUnixSocket()
        if let databaseURL = options.databaseURL {
            return try await serve(conninfo: databaseURL)
        }
        logger.info("starting the embedded PostgreSQL", metadata: ["data": "\(options.dataDirectory)"])
        let cluster = EmbeddedCluster(configuration: options.cluster, logger: logger)
        let conninfo = try await cancelWhenGracefulShutdown { try await cluster.start() }
        let result: Result<Void, any Error>
        do {
            result = .success(try await serve(conninfo: conninfo))
        } catch {
            result = .failure(error)
        }
        await cluster.stop()
        try result.get()
    }

    private func serve(conninfo: String) async throws {
        var configuration = options.database
        configuration.conninfo = conninfo
        let database = try Database(configuration: configuration, logger: logger)
        let scheduler = ComputeScheduler(queueLimit: options.limits.queuedComputations)
        let store = StateStore(
            database: database, limits: options.limits, validatesSaves: options.validatesSaves,
            recoversByPolicy: options.recoversByPolicy, cleanup: options.cleanup, scheduler: scheduler, logger: logger)
        let idle = ProcessSettings.residentBytes
        let resident = ResidentMemory(tolerance: options.limits.commonBytes) { [weak store] in idle + (store?.rememberedBytes ?? 0) }
        let memory = MemoryBudget(limit: options.limits.requestBytes, resident: resident)
        store.borrowMemory(from: memory)
        let counting = ValidationCounting(store: store, logger: logger)
        let watch = EventLoopWatch(logger: logger, countsProcessorTime: logger.logLevel <= .debug)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: options.eventLoops, metricsDelegate: watch)
        let health = HealthService()
        let server = Server(
            router: router(store, health), configuration: transport(memory, watch, scheduler), group: group, logger: logger)
        let result: Result<Void, any Error>
        do {
            let address = try await listen(server)
            result = .success(
                try await withThrowingTaskGroup(of: Void.self) { tasks in
                    tasks.addTask { try await self.openDatabase(database, store, conninfo, health, address) }
                    tasks.addTask { await Maintenance(store: store, address: address, logger: self.logger).run() }
                    tasks.addTask { await counting.run() }
                    tasks.addTask { await MemoryTrimming(memory: memory, resident: resident, logger: self.logger).run() }
                    if let webhook = self.options.webhook {
                        tasks.addTask { await WebhookDelivery(store: store, options: webhook, logger: self.logger).run() }
                    }
                    tasks.addTask {
                        try await gracefulShutdown()
                        self.setHealth(health, isServing: false)
                        health.shutdown()
                        store.stopWaiting()
                        self.logger.info("shutting down", metadata: ["connections": "\(server.connections)"])
                        await server.shutdown(grace: .seconds(self.options.graceSeconds))
                        throw CancellationError()
                    }
                    // The first failure ends all tasks; so does the shutdown, which throws `CancellationError`.
                    defer { tasks.cancelAll() }
                    do {
                        while try await tasks.next() != nil {}
                    } catch is CancellationError {}
                })
        } catch {
            result = .failure(error)
        }
        await server.shutdown(grace: .zero)
        // Jobs that still run belong to calls that have ended.
        await scheduler.stop()
        // No call is left to add counts.
        await counting.flush(deadline: Instant.now + Self.lastFlush)
        await database.shutdown()
        try await group.shutdownGracefully()
        logger.debug("the longest turn of an event loop", metadata: ["microseconds": "\(watch.longest.nanoseconds / 1_000)"])
        try result.get()
    }

    private var description: ServerDescription {
        let switches: [(name: String, isOn: Bool)] = [
            ("cleanup", options.cleanup.deletedFlowHours != nil), ("embedded-database", options.databaseURL == nil),
            ("recovery", options.recoversByPolicy), ("validation", options.validatesSaves), ("webhook", options.webhook != nil),
        ]
        return ServerDescription(version: Version.current, features: switches.filter(\.isOn).map(\.name), limits: options.limits)
    }

    private func router(_ store: StateStore, _ health: HealthService) -> Router {
        let table = RouteTable(store: store, server: description)
        let services = FlowStateProto.services.map(\.name)
        setHealth(health, isServing: false)
        let reflection = ReflectionService(
            services: services, fileDescriptorSets: [FlowStateProto.fileDescriptorSet])
        return Router(table.routes + health.routes + reflection.routes)
    }

    private func transport(
        _ memory: MemoryBudget, _ watch: EventLoopWatch, _ scheduler: ComputeScheduler
    ) -> ServerConfiguration {
        let descriptors = ProcessSettings.raiseDescriptorLimit()
        var configuration = options.grpc(memory: memory, descriptors: descriptors)
        configuration.eventLoopWatch = watch
        configuration.compute = scheduler
        if logger.logLevel <= .trace { configuration.observer = CallLog(logger: logger) }
        if configuration.maxConnections < options.limits.connections {
            logger.warning(
                "fewer connections than the limit allows: the process may not open more files (ulimit -n)",
                metadata: ["limit": "\(options.limits.connections)", "possible": "\(configuration.maxConnections)"])
        }
        return configuration
    }

    private func listen(_ server: Server) async throws -> String {
        let address = try await server.listen(host: options.host, port: options.port)
        if let path = options.unixSocket { try await server.listen(unixSocket: path) }
        return "\(Endpoint.tcp(host: options.host, port: address?.port ?? options.port))"
    }

    /// Migrates the schema as soon as the database can be reached, then keeps health in step with its availability. No connection of
    /// `Database` serves before that.
    private func openDatabase(
        _ database: Database, _ store: StateStore, _ conninfo: String, _ health: HealthService, _ address: String
    ) async throws {
        database.prepare(reason: Self.preparation)
        try await migrate(database, conninfo)
        database.start()
        var wasReady = false
        for await isAvailable in database.availability() {
            if isAvailable { await readPatchDepth(store) }
            setHealth(health, isServing: isAvailable)
            if isAvailable, !wasReady { onReady(address) }
            if isAvailable || wasReady {
                logger.info("database", metadata: ["available": "\(isAvailable)", "reason": "\(database.status.reason ?? "")"])
            }
            wasReady = wasReady || isAvailable
        }
    }

    /// `Maintenance` asks again.
    private func readPatchDepth(_ store: StateStore) async {
        do {
            try await store.readPatchDepth(isOnlyServer: options.databaseURL == nil, deadline: .now + Self.patchDepthPatience)
        } catch {
            logger.warning("how deep chains of patches may be is not known", metadata: ["error": "\(error)"])
        }
    }

    /// What calls fail with meanwhile.
    private static let preparation = "the server is preparing its database"

    private func migrate(_ database: Database, _ conninfo: String) async throws {
        var log = ConditionLog()
        while true {
            do {
                try await Migrator.run(StoreSchema.migrations, conninfo: conninfo, logger: logger) { _ in
                    database.prepare(reason: "\(Self.preparation): waiting for locks of other sessions")
                }
                return
            } catch {
                guard case .unavailable(let message, _) = error else { throw error }
                if log.failed("migration", message, now: .now) != nil {
                    logger.warning("waiting for the database", metadata: ["reason": "\(message)"])
                }
                database.prepare(reason: "\(Self.preparation): \(message)")
                try await Task.sleep(for: Self.preparationPause)
            }
        }
    }

    private func setHealth(_ health: HealthService, isServing: Bool) {
        health.set("", isServing: isServing)
        for service in FlowStateProto.services { health.set(service.name, isServing: isServing) }
    }
}
