extension Database {
    /// How to connect, and the limits of the queues.
    public struct Configuration: Sendable {
        /// A `postgresql://` URI or `keyword=value` pairs, as every libpq program takes them.
        public var conninfo: String
        /// Connections that write; one flow's saves go through one of them.
        public var writers = 2
        /// Connections that read.
        public var readers = 2
        /// Connections for lists.
        public var lists = 1
        /// Operations that may wait on one lane; beyond that they are refused with `overloaded`.
        public var queueLimit = 4096
        /// Bytes (`Operation.cost`) that may wait on one lane; one operation is let in whatever its size.
        public var queuedBytes = 64 << 20
        /// Operations in one transaction at most.
        public var batchOperations = 64
        /// Bytes (`Operation.cost`) in one transaction at most; one larger operation makes a batch of its own.
        public var batchBytes = 8 << 20
        /// Shown in `pg_stat_activity`.
        public var applicationName = "flowstate"
        /// PostgreSQL cancels a statement after that time; `nil` leaves the server's own setting.
        public var statementTimeout: Duration? = .seconds(60)
        /// The same for lists.
        public var listStatementTimeout: Duration? = .seconds(30)
        /// How long a statement waits for a lock that another transaction holds. The operations of a batch are tried one by one then.
        public var lockTimeout = Duration.seconds(2)
        /// PostgreSQL ends a session that stands still amid a transaction for that long.
        public var idleInTransactionTimeout = Duration.seconds(30)
        /// PostgreSQL 17 ends a session whose transaction takes longer.
        public var transactionTimeout = Duration.seconds(180)
        /// How long an operation waits in all for a lock that another transaction holds; then it fails with `unavailable`.
        public var lockPatience = Duration.seconds(5)
        /// Settings of each session (manual, chapter 20); those in the connection string win.
        public var settings: [String: String] = [:]
        /// Those of the sessions behind `Database.background`, over `settings`.
        public var backgroundSettings: [String: String] = [:]
        /// Where unqualified names are looked up, such as `flowstate, public`; `nil` leaves the server's own setting.
        public var searchPath: String?
        /// How long one attempt to connect may take, when there is one host.
        public var connectTimeout = Duration.seconds(5)
        /// How long each host of a list may take.
        public var hostTimeout = Duration.milliseconds(1_500)
        /// How often the hosts of a list are asked who is the primary; a single host, to which an address may have been moved, a third as often.
        public var watchInterval = Duration.seconds(1)
        /// The first pause after a failed attempt; doubled up to `maximumReconnectDelay`.
        public var reconnectDelay = Duration.milliseconds(50)
        public var maximumReconnectDelay = Duration.seconds(1)
        /// An idle connection is tried out after that time; PostgreSQL tells an idle session only then that its settings have changed.
        public var probeInterval = Duration.seconds(5)
        /// How long the server may take to answer the trial.
        public var probeTimeout = Duration.seconds(5)
        /// How long a read whose connection was lost waits for another.
        public var readRetryWindow = Duration.seconds(2)
        /// How long `shutdown` waits for queued operations.
        public var drainTimeout = Duration.seconds(10)

        public init(conninfo: String) { self.conninfo = conninfo }
    }
}

extension Database.Configuration {
    /// What every connection of a lane is made with.
    func connectionOptions(for role: Lane.Role = .writes) throws(PostgresError) -> ConnectionOptions {
        var options = try ConnectionOptions(conninfo: conninfo)
        options.setDefault("application_name", applicationName)
        options.prepareTransport()
        options.settings.useTransport()
        options.settings.require("lock_timeout", "\(lockTimeout.milliseconds)")
        options.settings.require("idle_in_transaction_session_timeout", "\(idleInTransactionTimeout.milliseconds)")
        if let timeout = role == .lists ? listStatementTimeout : statementTimeout {
            options.settings.require("statement_timeout", "\(timeout.milliseconds)")
        }
        if role != .background { options.settings.prefer("transaction_timeout", "\(transactionTimeout.milliseconds)") }
        let settings = role == .background ? settings.merging(backgroundSettings) { $1 } : settings
        for (name, value) in settings.sorted(by: { $0.key < $1.key }) { options.settings.require(name, value) }
        if let searchPath { options.settings.require("search_path", searchPath) }
        return options
    }
}

extension ConnectionOptions {
    /// What all connections of this room have in common.
    mutating func prepareTransport() {
        set("client_encoding", "UTF8")
        // A connection cut without a word is noticed in seconds, not in the system's hours.
        setDefault("keepalives_idle", "10")
        setDefault("keepalives_interval", "5")
        setDefault("keepalives_count", "3")
        setDefault("tcp_user_timeout", "20000")
    }
}

extension SessionSettings {
    /// What all sessions of this room have in common.
    mutating func useTransport() {
        // A commit that no standby has comes with a warning (`Connection.Notices`), which must not be held back.
        enforce("client_min_messages", "warning")
        // The server's side of a connection that was cut: its transaction and its locks must not stay for hours.
        prefer("tcp_keepalives_idle", "10")
        prefer("tcp_keepalives_interval", "5")
        prefer("tcp_keepalives_count", "3")
        prefer("tcp_user_timeout", "20000")
        prefer("client_connection_check_interval", "10000")
    }
}
