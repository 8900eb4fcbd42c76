import Compression
import FlowModel
import Postgres

/// What an operation concerns, which decides on whose connections it runs. Nothing else in the store knows connection groups, so that flows
/// may be spread over several databases: then a route finds the database too.
enum Route: Sendable {
    /// Changes one flow, or another object with a shard, after what was submitted before it.
    case write(shard: UInt64)
    /// Changes one flow by much content. Its order among the changes of the flow is its submitter's (`StateStore.writeApart`).
    case largeWrite(shard: UInt64)
    /// Loads one flow.
    case read(FlowKey)
    /// Loads a large state of one flow.
    case largeRead(FlowKey)
    /// Reads little of a tenant, together with loads.
    case shortRead
    /// Reads much of a tenant: a list, a summary, a history.
    case list
    /// Looks for changes of all tenants.
    case feed
    /// Takes long, of all tenants or of one: statistics, clean-up. One runs after the other.
    case background
}

extension Database {
    func group(for route: Route) -> ConnectionGroup {
        switch route {
        case .write(let shard): writer(shard: shard)
        case .largeWrite(let shard): largeWriter(shard: shard)
        case .read, .shortRead: reader
        case .largeRead: largeReader
        case .list: lists
        case .feed: feed
        case .background: background
        }
    }
}

/// Which of the connection groups writes an object: a hash of its key.
enum Shard {
    /// No name contains NUL, so ("a", "bc") and ("ab", "c") stay apart.
    static func of(_ key: FlowKey) -> UInt64 { of(key.tenant, key.flowID) }

    /// The shard of any other named object of a tenant.
    static func of(_ tenant: String, _ name: String) -> UInt64 {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: tenant.utf8.count + 1 + name.utf8.count) { text in
            var end = text[...].initialize(fromContentsOf: tenant.utf8)
            text.initializeElement(at: end, to: 0)
            end = text[(end + 1)...].initialize(fromContentsOf: name.utf8)
            return XXH3.hash(UnsafeBufferPointer(text))
        }
    }
}
