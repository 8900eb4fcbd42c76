import CLibPQ

/// How to connect: the caller's connection string and what this module needs, as libpq's keywords and values, and the settings of the
/// session.
struct ConnectionOptions: Sendable {
    private(set) var values: [String: String]
    var settings: SessionSettings
    /// Whether a server that does not take writes (a standby, or one with `default_transaction_read_only`) is refused.
    var requiresPrimary = true

    /// - Parameter conninfo: A `postgresql://` URI or `keyword=value` pairs, as libpq reads them (manual, section 34.1.1). Environment
    ///   variables, service and password files apply as in every libpq program.
    init(conninfo: String) throws(PostgresError) {
        var message: UnsafeMutablePointer<CChar>?
        guard let options = PQconninfoParse(conninfo, &message) else {
            let reason = message.map { String(cString: $0) } ?? "out of memory"
            PQfreemem(message)
            throw .incompatible("the connection string cannot be read: \(Self.withoutQuotations(reason))")
        }
        defer { PQconninfoFree(options) }
        values = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { values[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        settings = SessionSettings(options: values["options"])
        try checkPorts()
    }

    /// libpq finds a wrong port only when it connects, where it looks like a server that cannot be reached.
    private func checkPorts() throws(PostgresError) {
        guard let list = values["port"] else { return }
        let ports = list.split(separator: ",", omittingEmptySubsequences: false)
        for port in ports where !port.isEmpty {
            guard let number = Int(port), (1...65_535).contains(number) else {
                throw .incompatible("the connection string's port \"\(port)\" is not a number from 1 to 65535")
            }
        }
        let hosts = hostCount
        guard ports.count == 1 || ports.count == hosts else {
            throw .incompatible("the connection string has \(ports.count) ports for \(hosts) hosts; give one for all, or one for each")
        }
    }

    /// Sets a keyword unless the connection string does.
    mutating func setDefault(_ keyword: String, _ value: String) {
        if values[keyword] == nil { values[keyword] = value }
    }

    mutating func set(_ keyword: String, _ value: String) { values[keyword] = value }

    /// Hides the password where libpq or the server quotes it.
    func redacted(_ message: String) -> String {
        guard let password = values["password"], !password.isEmpty else { return message }
        return message.replacing(password, with: "***")
    }

    /// libpq quotes what it could not parse, which may be a piece of a password.
    private static func withoutQuotations(_ message: String) -> String {
        message.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
            .map { $0.offset % 2 == 0 ? String($0.element) : "…" }
            .joined(separator: "\"").trimmedLine
    }
}

// MARK: Hosts

extension ConnectionOptions {
    private var hostCount: Int {
        let addresses = list("hostaddr").count
        return addresses > 0 ? addresses : max(list("host").count, 1)
    }

    private func list(_ keyword: String) -> [String] {
        guard let value = values[keyword], !value.isEmpty else { return [] }
        return value.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    /// The options for each host of the list (manual, section 34.1.1.3), in its order. libpq applies no time limit per host to a
    /// non-blocking connection, so one host that does not answer would take the time of all.
    var eachHost: [ConnectionOptions] {
        let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"))
        let count = hostCount
        if count == 1 { return [self] }
        return (0..<count).map { place in
            var one = self
            one.values["host"] = place < hosts.count ? hosts[place] : nil
            one.values["hostaddr"] = place < addresses.count ? addresses[place] : nil
            let port = ports.count == 1 ? ports[0] : place < ports.count ? ports[place] : ""
            one.values["port"] = port.isEmpty ? nil : port
            return one
        }
    }

    /// Whether the hosts are to be tried in any order (libpq 16).
    var isBalanced: Bool { values["load_balance_hosts"] == "random" }

    /// The connection string's time limit for one host; libpq applies it only to blocking connections.
    var hostTimeout: Duration? { values["connect_timeout"].flatMap { Int($0) }.flatMap { $0 > 0 ? .seconds(max($0, 2)) : nil } }

    /// Whether the host is a Unix-domain socket, so a server of this machine that is always the same one.
    var isLocal: Bool {
        let host = values["host"] ?? ""
        return values["hostaddr"] == nil && (host.isEmpty || host.hasPrefix("/") || host.hasPrefix("@"))
    }

    /// For messages.
    var hostName: String { "\(values["host"] ?? values["hostaddr"] ?? "local"):\(values["port"] ?? "5432")" }
}

extension StringProtocol {
    /// Without the line break that ends libpq's messages; several lines become one.
    package var trimmedLine: String {
        split(whereSeparator: \.isNewline).map { $0.drop(while: \.isWhitespace) }.filter { !$0.isEmpty }.joined(separator: "; ")
    }
}
