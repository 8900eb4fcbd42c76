/// Where a server listens: `host:port`, `[::1]:port`, `http://host:port`, or `unix:/path`.
public enum Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// A name or an address, and a port.
    case tcp(host: String, port: Int)
    /// An absolute path.
    case unixSocket(path: String)

    /// Nil when the text is not an endpoint. A missing port is `defaultPort`.
    public init?(_ text: String, defaultPort: Int = 7420) {
        if text.hasPrefix("unix:") {
            let path = text.dropFirst(5).drop { $0 == "/" }
            guard !path.isEmpty, text.dropFirst(5).hasPrefix("/") else { return nil }
            self = .unixSocket(path: "/" + path)
            return
        }
        var rest = text.hasPrefix("http://") ? text.dropFirst(7) : text[...]
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        guard !rest.isEmpty, !rest.contains("/") else { return nil }
        var port = defaultPort
        let hostEnd = rest.hasPrefix("[") ? rest.firstIndex(of: "]").map(rest.index(after:)) : rest.lastIndex(of: ":")
        let host = rest[..<(hostEnd ?? rest.endIndex)]
        if let hostEnd, hostEnd < rest.endIndex {
            guard rest[hostEnd] == ":", let number = Int(rest[rest.index(after: hostEnd)...]),
                (1...65_535).contains(number)
            else { return nil }
            port = number
        }
        let bare = host.hasPrefix("[") ? host.dropFirst().dropLast() : host
        guard !bare.isEmpty else { return nil }
        self = .tcp(host: String(bare), port: port)
    }

    /// A text of which the same endpoint is made.
    public var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unixSocket(let path): "unix:\(path)"
        }
    }
}
