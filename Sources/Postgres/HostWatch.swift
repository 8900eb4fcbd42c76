import Logging
import Resources

/// Finds out, over connections of its own, which server the connection string leads to now: existing sessions do not show that another
/// primary was promoted, or that an address was moved. Runs on a thread of its own.
struct HostWatch: Sendable {
    let hosts: [ConnectionOptions]
    let configuration: Database.Configuration
    let primary: Primary
    let wakeup: Wakeup
    let isStopped: @Sendable () -> Bool
    let logger: Logger

    init?(
        _ configuration: Database.Configuration, primary: Primary, wakeup: Wakeup, logger: Logger, isStopped: @escaping @Sendable () -> Bool
    ) throws(PostgresError) {
        var options = try ConnectionOptions(conninfo: configuration.conninfo)
        options.setDefault("application_name", configuration.applicationName + "-watch")
        options.prepareTransport()
        hosts = options.eachHost
        // A server of this machine, behind a Unix socket, is not replaced by another.
        if hosts.allSatisfy(\.isLocal) { return nil }
        self.configuration = configuration
        self.primary = primary
        self.wakeup = wakeup
        self.isStopped = isStopped
        self.logger = logger
    }

    /// The thread's body.
    func run() {
        let isOnly = hosts.count == 1
        let pause = isOnly ? configuration.watchInterval * 3 : configuration.watchInterval
        while !isStopped() {
            for (place, host) in hosts.enumerated() {
                if isStopped() { return }
                guard let identity = look(at: host), primary.observe(identity, host: place, isOnly: isOnly) else { continue }
                logger.warning(
                    "another server is the primary now", metadata: ["host": "\(host.hostName)", "timeline": "\(identity.timeline)"])
            }
            let end = Instant.now + pause
            while !isStopped(), Instant.now < end { _ = wakeup.wait(until: end) }
        }
    }

    /// `nil` when the host does not answer in time or takes no writes.
    private func look(at host: ConnectionOptions) -> ServerIdentity? {
        do throws(PostgresError) {
            let connection = try Connection.open(
                host, timeout: configuration.hostTimeout, wakeup: wakeup, logger: logger, isStopped: isStopped)
            return connection.identity
        } catch {
            return nil
        }
    }
}
