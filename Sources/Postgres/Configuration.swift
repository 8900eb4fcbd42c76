extension Database {
    /// How to connect, and the limits of the queues.
    public struct Configuration: Sendable {
        /// A `postgresql://` URI or `keyword=value` pairs, as every libpq program takes them.
        public var conninfo: String
        /// Connections that write; one flow's saves go through one of them.
        public var writers = 2
        /// Connections that read.
        public var readers = 2
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
        /// Settings of each session (manual, chapter 20); those in the connection string win.
        public var settings: [String: String] = [:]
        /// Those of the sessions behind `Database.background`, over `settings`.
        public var backgroundSettings: [String: String] = [:]
        /// Where unqualified names are looked up, such as `flowstate, public`; `nil` leaves the server's own setting.
        public var searchPath: String?
        /// How long one attempt to connect may take.
        public var connectTimeout = Duration.seconds(5)
        /// The first pause after a failed attempt; doubled up to `maximumReconnectDelay`.
        public var reconnectDelay = Duration.milliseconds(50)
        public var maximumReconnectDelay = Duration.seconds(1)
        /// An idle connection is tried out after that time.
        public var probeInterval = Duration.seconds(15)
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
        let settings = role == .background ? settings.merging(backgroundSettings) { $1 } : settings
        var options = try ConnectionOptions(conninfo: conninfo)
        options.setDefault("application_name", applicationName)
        options.set("client_encoding", "UTF8")
        // A connection cut without a word is noticed in seconds, not in the system's hours.
        options.setDefault("keepalives_idle", "10")
        options.setDefault("keepalives_interval", "5")
        options.setDefault("keepalives_count", "3")
        options.setDefault("tcp_user_timeout", "20000")
        if let statementTimeout {
            let (seconds, attoseconds) = statementTimeout.components
            options.addServerSetting("statement_timeout", "\(seconds * 1000 + attoseconds / 1_000_000_000_000_000)")
        }
        for (name, value) in settings.sorted(by: { $0.key < $1.key }) { options.addServerSetting(name, value) }
        if let searchPath { options.addServerSetting("search_path", searchPath) }
        return options
    }
}
