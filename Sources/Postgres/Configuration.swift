extension Database {
    /// How to connect, and the limits of the queues.
    package struct Configuration: Sendable {
        /// A `postgresql://` URI or `keyword=value` pairs, as every libpq program takes them.
        package var conninfo: String
        /// Connections that write; the saves of one flow all use the same one.
        package var writers = 2
        /// Connections that read.
        package var readers = 2
        /// Connections for lists.
        package var lists = 2
        /// Operations that may wait on one connection group; beyond that they are refused with `overloaded`.
        package var queueLimit = 4096
        /// Bytes (`Operation.cost`) that may wait on one connection group; one operation is accepted whatever its size.
        package var queuedBytes = 64 << 20
        /// Operations in one transaction at most.
        package var batchOperations = 128
        /// Bytes (`Operation.cost`) in one transaction at most; a larger operation has a batch of its own.
        package var batchBytes = 8 << 20
        /// Shown in `pg_stat_activity`.
        package var applicationName = "flowstate"
        /// PostgreSQL cancels a statement after this time; `nil` leaves the server's own setting.
        package var statementTimeout: Duration? = .seconds(60)
        /// The same for lists.
        package var listStatementTimeout: Duration? = .seconds(30)
        /// How long a statement waits for a lock that another transaction holds. After that the operations of its batch run one by one.
        package var lockTimeout = Duration.seconds(2)
        /// PostgreSQL ends a session that is idle in a transaction for this long.
        package var idleInTransactionTimeout = Duration.seconds(30)
        /// PostgreSQL 17 ends a session whose transaction takes longer than this.
        package var transactionTimeout = Duration.seconds(180)
        /// How long an operation waits in all for a lock that another transaction holds; then it fails with `unavailable`.
        package var lockPatience = Duration.seconds(5)
        /// Settings of each session (manual, chapter 20); those in the connection string win.
        package var settings: [String: String] = [:]
        /// Settings of the sessions behind `Database.background`; they override `settings`.
        package var backgroundSettings: [String: String] = [:]
        /// Where unqualified names are looked up, such as `flowstate, public`; `nil` leaves the server's own setting.
        package var searchPath: String?
        /// How long one attempt to connect may take, when the connection string names one host.
        package var connectTimeout = Duration.seconds(5)
        /// How long the attempt may take for each of several hosts.
        package var hostTimeout = Duration.milliseconds(1_500)
        /// How often the hosts are asked which of them is the primary; a single host, whose address may be moved, a third as often.
        package var watchInterval = Duration.seconds(1)
        /// The first pause after a failed attempt; doubled up to `maximumReconnectDelay`.
        package var reconnectDelay = Duration.milliseconds(50)
        package var maximumReconnectDelay = Duration.seconds(1)
        /// An idle connection is probed after this time; only then does PostgreSQL report changed settings to an idle session.
        package var probeInterval = Duration.seconds(5)
        /// How long the server may take to answer the probe.
        package var probeTimeout = Duration.seconds(5)
        /// How long a read whose connection was lost waits for another.
        package var readRetryWindow = Duration.seconds(2)
        /// How long `shutdown` waits for queued operations.
        package var drainTimeout = Duration.seconds(10)

        package init(conninfo: String) { self.conninfo = conninfo }
    }
}

extension Database.Configuration {
    /// The options of every connection of a connection group.
    func connectionOptions(for role: ConnectionGroup.Role = .writes) throws(PostgresError) -> ConnectionOptions {
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
    /// Options that all connections of this module have in common.
    mutating func prepareTransport() {
        set("client_encoding", "UTF8")
        // A connection that was cut without notice is detected in seconds, not in the system's hours.
        setDefault("keepalives_idle", "10")
        setDefault("keepalives_interval", "5")
        setDefault("keepalives_count", "3")
        setDefault("tcp_user_timeout", "20000")
    }
}

extension SessionSettings {
    /// Settings that all sessions of this module have in common.
    mutating func useTransport() {
        // A commit that was not confirmed by a standby comes with a warning (`Notices`), which the server must not suppress.
        enforce("client_min_messages", "warning")
        // The server must detect a connection that was cut: its transaction and its locks must not stay for hours.
        prefer("tcp_keepalives_idle", "10")
        prefer("tcp_keepalives_interval", "5")
        prefer("tcp_keepalives_count", "3")
        prefer("tcp_user_timeout", "20000")
        prefer("client_connection_check_interval", "10000")
    }
}
