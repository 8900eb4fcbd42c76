/// PostgreSQL's settings of a session (manual, chapter 20). They are set by SQL after connecting: poolers refuse the startup packet's
/// `options`, or drop it silently.
struct SessionSettings: Sendable, Equatable {
    struct Setting: Sendable, Equatable {
        let name: String
        let value: String
    }

    /// A session is not used without these.
    private(set) var required: [Setting] = []
    /// Set if the server has them and lets this user set them.
    private(set) var optional: [Setting] = []
    /// Names that the connection string sets itself (`options=-c name=value`), which takes precedence.
    private let given: Set<String>

    /// - Parameter options: The connection string's `options`.
    init(options: String? = nil) { given = Self.names(in: options ?? "") }

    mutating func require(_ name: String, _ value: String) { Self.set(name, value, in: &required, unless: given) }
    mutating func prefer(_ name: String, _ value: String) { Self.set(name, value, in: &optional, unless: given) }

    /// Sets it even if the connection string does.
    mutating func enforce(_ name: String, _ value: String) { Self.set(name, value, in: &required, unless: []) }

    private static func set(_ name: String, _ value: String, in settings: inout [Setting], unless given: Set<String>) {
        settings.removeAll { $0.name == name }
        if !given.contains(name) { settings.append(Setting(name: name, value: value)) }
    }

    /// The names that `-c name=value` and `--name=value` set, as PostgreSQL reads command lines (manual, section 34.1.2, `options`).
    static func names(in options: String) -> Set<String> {
        var names: Set<String> = []
        var isNext = false
        for word in options.split(whereSeparator: \.isWhitespace) {
            var assignment = word
            if !isNext {
                if word == "-c" {
                    isNext = true
                    continue
                }
                guard word.hasPrefix("-c") || word.hasPrefix("--") else { continue }
                assignment = word.dropFirst(2)
            }
            isNext = false
            names.insert(assignment.prefix { $0 != "=" }.lowercased().replacing("-", with: "_"))
        }
        return names
    }
}

extension Duration {
    /// Whole milliseconds, as PostgreSQL's settings take them.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000 + attoseconds / 1_000_000_000_000_000
    }
}
