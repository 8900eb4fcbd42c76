import FlowModel
import JSON
import Synchronization

/// Violations in refused and in accepted saves since the last flush. Noting costs a look-up for each violation, and so nothing for a valid
/// state. Safe on any thread.
final class ValidationCounts: Sendable {
    struct Key: Hashable {
        /// Tenant and type: compared by their bytes.
        let names: FlowKey
        let rule: Name
    }

    struct Count {
        var refused: Int64 = 0
        var warned: Int64 = 0
    }

    /// The most different keys between two flushes; more are not counted. Definitions, and so their rules, are the tenants'.
    private static let maximumKeys = 10_000

    private let counts = Mutex<[Key: Count]>([:])

    func note(_ violations: [Violation], isRefused: Bool, flowType: String, tenant: String) {
        if violations.isEmpty { return }
        let names = FlowKey(stored: tenant, flowID: flowType)
        counts.withLock { counts in
            for violation in violations {
                let count = Count(refused: isRefused ? 1 : 0, warned: isRefused ? 0 : 1)
                Self.add(count, Key(names: names, rule: Name(Self.name(violation.rule))), to: &counts)
            }
        }
    }

    /// Takes all counts; counting starts again from zero.
    func take() -> [(key: Key, count: Count)] {
        counts.withLock { counts in
            defer { counts = [:] }
            return counts.map { ($0.key, $0.value) }
        }
    }

    /// Puts back counts that were taken and could not be stored.
    func putBack(_ taken: [(key: Key, count: Count)]) {
        counts.withLock { counts in
            for (key, count) in taken { Self.add(count, key, to: &counts) }
        }
    }

    private static func add(_ count: Count, _ key: Key, to counts: inout [Key: Count]) {
        guard counts.count < maximumKeys || counts[key] != nil else { return }
        counts[key, default: Count()].refused += count.refused
        counts[key, default: Count()].warned += count.warned
    }

    /// A rule may have any name, but PostgreSQL's text cannot hold every character.
    private static func name(_ rule: String) -> String {
        do throws(StateError) {
            try NameRule.check(rule, field: "rule", maximumBytes: Limits.defaults.idBytes)
            return rule
        } catch {
            return "unnamed"
        }
    }
}
