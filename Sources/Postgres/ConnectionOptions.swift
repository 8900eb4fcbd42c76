import CLibPQ

/// What a connection is made with: the caller's connection string plus what this room needs, as libpq's keywords and values.
struct ConnectionOptions: Sendable {
    private(set) var values: [String: String]

    /// - Parameter conninfo: A `postgresql://` URI or `keyword=value` pairs, as libpq reads them (manual, section 34.1.1). Environment
    ///   variables, service and password files count as with every libpq program.
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
    }

    /// Sets a keyword that the connection string does not.
    mutating func setDefault(_ keyword: String, _ value: String) {
        if values[keyword] == nil { values[keyword] = value }
    }

    mutating func set(_ keyword: String, _ value: String) { values[keyword] = value }

    /// Adds a server setting to those of the connection string, for example `statement_timeout`; those of the string win.
    mutating func addServerSetting(_ name: String, _ value: String) {
        let given = values["options"].map { " " + $0 } ?? ""
        // "Spaces within this string are considered to separate arguments, unless escaped with a backslash."
        let escaped = value.replacing("\\", with: "\\\\").replacing(" ", with: "\\ ")
        values["options"] = "-c \(name)=\(escaped)\(given)"
    }

    /// Hides the password, wherever libpq or the server quote it.
    func redacted(_ message: String) -> String {
        guard let password = values["password"], !password.isEmpty else { return message }
        return message.replacing(password, with: "***")
    }

    /// libpq quotes what it could not read, which may be a piece of a password.
    private static func withoutQuotations(_ message: String) -> String {
        message.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
            .map { $0.offset % 2 == 0 ? String($0.element) : "…" }
            .joined(separator: "\"").trimmedLine
    }
}

extension StringProtocol {
    /// Without the line break that ends libpq's messages; several lines become one.
    var trimmedLine: String {
        split(whereSeparator: \.isNewline).map { $0.drop(while: \.isWhitespace) }.filter { !$0.isEmpty }.joined(separator: "; ")
    }
}
