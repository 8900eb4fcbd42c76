import FlowModel
import FlowService
import FlowStore
import GRPC
import Logging
import NIOCore
import Postgres
import PostgresCluster
import Resources

/// All options of `flowstate serve`. Defaults suit one developer's machine.
package struct ServerOptions: Sendable {
    /// Where clients reach the server. Port 0 picks a free one.
    package var host = "127.0.0.1"
    package var port = 7420
    /// A Unix domain socket to listen on as well.
    package var unixSocket: String?

    /// A `postgresql://` URL or libpq connection string; nil: an embedded cluster in `dataDirectory`.
    package var databaseURL: String?
    /// Where the embedded cluster lives.
    package var dataDirectory = "flowstate-data"
    /// PostgreSQL's bin directory; nil searches for it.
    package var postgresBinaries: String?
    /// Settings of the embedded PostgreSQL; they override its defaults.
    package var postgresSettings: [String: String] = [:]

    /// Database connections that write, and that read.
    package var writers = Self.defaultConnections
    package var readers = Self.defaultConnections
    /// Event loops, each with a thread, that serve connections.
    package var eventLoops = Self.defaultEventLoops
    package var limits = Limits.defaults
    /// Whether saves are checked against the definitions of their flows' types.
    package var validatesSaves = true
    package var cleanup = CleanupSettings()
    /// Whether recovery starts by itself where a definition says so.
    package var recoversByPolicy = true
    /// Where notifications are delivered; nil: they are only listed and logged.
    package var webhook: WebhookOptions?
    /// How long calls in progress may take after SIGTERM, in seconds.
    package var graceSeconds: Int64 = 10
    package var logLevel = Logger.Level.info

    package init() {}

    /// One for every four cores, at most four: PostgreSQL works on each of them, and the fewer there are, the more operations share a
    /// batch. On two cores a second connection of each kind costs a tenth of the rate.
    package static let defaultConnections = max(1, min(4, System.coreCount / 4))

    /// One for every two cores, at most four: the rest is for PostgreSQL and the threads of its connections.
    package static let defaultEventLoops = max(1, min(4, (System.coreCount + 1) / 2))

    /// What SwiftNIO accepts; `sun_path` has room for 107 (unix(7)).
    static let unixSocketPathBytes = 103

    /// Called before anything is started that would have to be stopped.
    func checkUnixSocket() throws {
        guard let path = unixSocket, path.utf8.count > Self.unixSocketPathBytes else { return }
        throw OptionError(
            "--unix-socket: the path of a unix domain socket has at most \(Self.unixSocketPathBytes) bytes; \(path) has \(path.utf8.count)")
    }

    var database: Database.Configuration {
        var configuration = Database.Configuration(conninfo: databaseURL ?? "")
        configuration.writers = writers
        configuration.readers = readers
        configuration.settings = StoreSchema.sessionSettings
        configuration.backgroundSettings = StoreSchema.backgroundSettings
        configuration.queueLimit = limits.queuedOperations
        configuration.queuedBytes = limits.queuedBytes
        configuration.batchOperations = limits.batchOperations
        configuration.batchBytes = limits.batchBytes
        configuration.statementTimeout = .milliseconds(limits.statementTimeoutMilliseconds)
        configuration.listStatementTimeout = .milliseconds(limits.listTimeoutMilliseconds)
        configuration.lockTimeout = .milliseconds(limits.lockTimeoutMilliseconds)
        configuration.lockPatience = .milliseconds(limits.lockWaitMilliseconds)
        return configuration
    }

    var cluster: EmbeddedCluster.Configuration {
        var configuration = EmbeddedCluster.Configuration(directory: dataDirectory)
        configuration.binaryDirectory = postgresBinaries
        configuration.settings = postgresSettings
        return configuration
    }

    /// What a connection may send at once of something that is limited a second.
    private static func burst(_ perSecond: Int) -> Int {
        let (burst, overflow) = perSecond.multipliedReportingOverflow(by: 10)
        return overflow ? .max : burst
    }

    /// - Parameters:
    ///   - memory: The budget of all requests; the store reserves from it through the calls' accounts.
    ///   - descriptors: How many files and sockets the process may have open.
    func grpc(memory: MemoryBudget, descriptors: Int) -> ServerConfiguration {
        var configuration = ServerConfiguration()
        configuration.memory = memory
        configuration.overloaded = TransportErrors.overloaded(memoryLimit: memory.limit)
        configuration.answerOverloaded = TransportErrors.answerOverloaded(memoryLimit: memory.limit)
        configuration.http2.controlFramesPerSecond = limits.controlFramesPerSecond
        configuration.http2.controlFrameBurst = Self.burst(limits.controlFramesPerSecond)
        configuration.http2.pingsPerMinute = limits.pingsPerMinute
        configuration.http2.resetsPerSecond = limits.streamResetsPerSecond
        configuration.http2.resetBurst = Self.burst(limits.streamResetsPerSecond)
        configuration.http2.maxConcurrentStreams = limits.concurrentStreams
        configuration.http2.headerListBytes = limits.headerListBytes
        configuration.messageBytes = limits.messageBytes
        configuration.bufferedBytesPerConnection = limits.bufferedBytesPerConnection
        configuration.outboundBytesPerConnection = limits.bufferedBytesPerConnection
        configuration.maxConnections = connections(descriptors: descriptors)
        configuration.maxConnectionsPerPeer = limits.connectionsPerPeer
        configuration.readerTimeout = .milliseconds(limits.readerTimeoutMilliseconds)
        if limits.connectionAgeMilliseconds > 0 { configuration.connectionAge = .milliseconds(limits.connectionAgeMilliseconds) }
        configuration.connectionAgeGrace = .milliseconds(limits.connectionAgeGraceMilliseconds)
        configuration.defaultTimeout = .milliseconds(limits.defaultDeadlineMilliseconds)
        configuration.maximumTimeout = .milliseconds(limits.maximumDeadlineMilliseconds)
        configuration.requestTimeout = .milliseconds(limits.requestTimeoutMilliseconds)
        configuration.idleTimeout = .milliseconds(limits.idleTimeoutMilliseconds)
        configuration.handshakeTimeout = .milliseconds(limits.handshakeTimeoutMilliseconds)
        configuration.keepaliveInterval = .milliseconds(limits.keepaliveTimeMilliseconds)
        configuration.keepaliveTimeout = .milliseconds(limits.keepaliveTimeoutMilliseconds)
        configuration.completed = ErrorTable.completed
        return configuration
    }

    /// The limit of connections, or what the descriptors allow beside the database's connections, listeners and event loops.
    func connections(descriptors: Int) -> Int {
        let others = writers + readers + 8 * eventLoops + 48
        return min(limits.connections, max(descriptors - others, 1))
    }
}

/// An invalid option; the description is for the operator.
struct OptionError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
