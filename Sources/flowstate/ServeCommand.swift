import ArgumentParser
import FlowModel
import FlowServer
import Logging
import Resources
import ServiceLifecycle

/// `flowstate serve`
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run the server.",
        discussion: """
            Without --database-url the server makes and supervises a private PostgreSQL in its data directory.
            Every option but --postgres-setting can come from the environment instead: FLOWSTATE_ and its name
            in capitals, such as FLOWSTATE_DATABASE_URL; limits are FLOWSTATE_LIMIT_ and theirs. The command
            line wins.

            SIGTERM and SIGINT end it gracefully: calls under way finish first.

            Example:
              flowstate serve --host 0.0.0.0 --database-url postgresql://flowstate@db/flowstate

            Limits and their defaults:
            \(limits)
            """)

    @Option(parsing: .unconditional, help: "Address to listen on. (default: 127.0.0.1)")
    var host: String?
    @Option(parsing: .unconditional, help: "TCP port; 0 picks a free one. (default: 7420)")
    var port: Int?
    @Option(parsing: .unconditional, help: "A unix domain socket to listen on as well.")
    var unixSocket: String?
    @Option(parsing: .unconditional, help: "PostgreSQL 14 or later: postgresql://user@host/database or a libpq connection string.")
    var databaseUrl: String?
    @Option(parsing: .unconditional, help: "Where the embedded PostgreSQL lives. (default: \(defaultDataDirectory))")
    var dataDirectory: String?
    @Option(parsing: .unconditional, help: "The bin directory of PostgreSQL, for the embedded one. (default: searched for)")
    var postgresBinaries: String?
    @Option(parsing: .unconditionalSingleValue, help: "A setting of the embedded PostgreSQL; may be repeated.")
    var postgresSetting: [Assignment] = []
    @Option(parsing: .unconditional, help: "Database connections that write. (default: one for every four cores, at most four)")
    var writers: Int?
    @Option(parsing: .unconditional, help: "Database connections that read. (default: as many)")
    var readers: Int?
    @Option(parsing: .unconditional, help: "Threads that serve connections. (default: one for every two cores, at most four)")
    var eventLoops: Int?
    @Option(parsing: .unconditional, help: "Seconds that calls under way may take after SIGTERM. (default: 10)")
    var grace: Int?
    @Option(parsing: .unconditional, help: "Whether saves are checked against the definitions of their flows' types. (default: true)")
    var validation: Bool?
    @Option(parsing: .unconditional, help: "Hours that deleted flows keep their history; 0: for ever. (default: 72)")
    var cleanupHours: Int?
    @Option(parsing: .unconditional, help: "Seconds from one clean-up to the next. (default: 3600)")
    var cleanupInterval: Int?
    @Option(parsing: .unconditional, help: "Whether recovery starts by itself where a definition says so. (default: true)")
    var recovery: Bool?
    @Option(parsing: .unconditional, help: "An http or https URL to which notifications are delivered. (default: nowhere)")
    var webhookUrl: String?
    @Option(
        parsing: .unconditional,
        help: "The secret that signs them; better given as FLOWSTATE_WEBHOOK_SECRET, which other users of the machine cannot see.")
    var webhookSecret: String?
    @Option(parsing: .unconditional, help: "trace, debug, info, notice, warning, error or critical. (default: info)")
    var logLevel: String?
    @Option(parsing: .unconditionalSingleValue, help: "A limit, such as message-bytes=33554432; may be repeated.")
    var limit: [Assignment] = []

    func run() async throws {
        let options = try options()
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        var logger = Logger(label: "flowstate")
        logger.logLevel = options.logLevel
        logger.info("flowstate \(Version.current)")
        let server = StateServer(options: options, logger: logger) { address in
            // The one line on standard output: scripts wait for it.
            print("flowstate is serving on \(address)")
            flushOutput()
        }
        let group = ServiceGroup(
            configuration: .init(
                services: [.init(service: server, successTerminationBehavior: .gracefullyShutdownGroup)],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        do {
            try await group.run()
        } catch {
            logger.critical("\(error)")
            throw ExitCode(1)
        }
    }

    func options() throws -> ServerOptions {
        var options = ServerOptions()
        let environment = ServeEnvironment()
        options.host = host ?? environment.text("HOST") ?? options.host
        options.port = try number(port, "PORT", 0...65_535) ?? options.port
        options.unixSocket = unixSocket ?? environment.text("UNIX_SOCKET")
        options.databaseURL = databaseUrl ?? environment.text("DATABASE_URL")
        options.dataDirectory = dataDirectory ?? environment.text("DATA_DIRECTORY") ?? Self.defaultDataDirectory
        options.postgresBinaries = postgresBinaries ?? environment.text("POSTGRES_BINARIES")
        for setting in postgresSetting { options.postgresSettings[setting.name] = setting.value }
        options.writers = try number(writers, "WRITERS", 1...256) ?? options.writers
        options.readers = try number(readers, "READERS", 1...256) ?? options.readers
        options.eventLoops = try number(eventLoops, "EVENT_LOOPS", 1...256) ?? options.eventLoops
        options.graceSeconds = Int64(try number(grace, "GRACE", 0...86_400) ?? Int(options.graceSeconds))
        options.validatesSaves = try validation ?? flag("VALIDATION") ?? options.validatesSaves
        if let hours = try number(cleanupHours, "CLEANUP_HOURS", 0...1_000_000, hasOlderName: true) {
            options.cleanup.deletedFlowHours = hours == 0 ? nil : Int64(hours)
        }
        if let seconds = try number(cleanupInterval, "CLEANUP_INTERVAL", 1...86_400) {
            options.cleanup.intervalSeconds = Int64(seconds)
        }
        options.recoversByPolicy = try recovery ?? flag("RECOVERY") ?? options.recoversByPolicy
        options.webhook = try webhook(environment)
        if let level = logLevel ?? environment.text("LOG_LEVEL") {
            guard let parsed = Logger.Level(rawValue: level.lowercased()) else {
                throw ValidationError("--log-level: \(level) is not a log level")
            }
            options.logLevel = parsed
        }
        try setLimits(&options, environment)
        return options
    }

    /// Reads also the name of this server's predecessor: FLOW_STATE_…_ENABLED.
    private func flag(_ name: String) throws -> Bool? {
        let environment = ServeEnvironment()
        guard let text = environment.text(name) ?? environment.text(older: "\(name)_ENABLED") else { return nil }
        switch text.lowercased() {
        case "true", "1", "yes", "on": return true
        case "false", "0", "no", "off": return false
        default: throw ValidationError("--\(name.lowercased()): \(text) is neither true nor false")
        }
    }

    private func webhook(_ environment: ServeEnvironment) throws -> WebhookOptions? {
        let url = webhookUrl ?? environment.text("WEBHOOK_URL") ?? environment.text(older: "WEBHOOK_URL")
        let secret = webhookSecret ?? environment.text("WEBHOOK_SECRET") ?? environment.text(older: "WEBHOOK_SECRET")
        guard let url else {
            if webhookSecret != nil { throw ValidationError("--webhook-secret goes with --webhook-url") }
            return nil
        }
        do {
            return try WebhookOptions(url: url, secret: secret ?? "")
        } catch {
            throw ValidationError("--webhook-url: \(error)")
        }
    }

    /// - Parameter hasOlderName: Whether to read also FLOW_STATE_…, as this server's predecessor did.
    private func number(_ given: Int?, _ name: String, _ range: ClosedRange<Int>, hasOlderName: Bool = false) throws -> Int? {
        let environment = ServeEnvironment()
        let older = hasOlderName ? environment.text(older: name) : nil
        guard let text = given.map(String.init) ?? environment.text(name) ?? older else { return nil }
        guard let value = Int(text), range.contains(value) else {
            let option = "--" + name.lowercased().replacing("_", with: "-")
            throw ValidationError("\(option): \(text) is not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    private func setLimits(_ options: inout ServerOptions, _ environment: ServeEnvironment) throws {
        var given: [(name: String, text: String)] = []
        for name in LimitTable.names {
            if let text = environment.text("LIMIT_" + name.uppercased().replacing("-", with: "_")) {
                given.append((name, text))
            }
        }
        for (name, text) in given + limit.map({ ($0.name, $0.value) }) {
            guard let value = Int(text), value > 0 else {
                throw ValidationError("limit \(name): \(text) is not a positive number")
            }
            guard name != "id-bytes" || value >= 36 else {
                throw ValidationError("limit id-bytes: the ids that the server makes have 36 bytes")
            }
            guard LimitTable.set(name, to: value, in: &options.limits) else {
                throw ValidationError("there is no limit \(name); the limits are \(LimitTable.names.joined(separator: ", "))")
            }
        }
    }

    private static var limits: String {
        let defaults = ServerOptions().limits
        return LimitTable.names.map { "  \($0)=\(LimitTable.value($0, in: defaults) ?? 0)" }.joined(separator: "\n")
    }
}
