import Compression
import FlowModel

/// Which of the connection groups writes an object: a hash of its key.
enum Shard {
    /// No name contains NUL, so ("a", "bc") and ("ab", "c") stay apart.
    static func of(_ key: FlowKey) -> UInt64 { of(key.tenant, key.flowID) }

    /// The shard of any other named object of a tenant.
    static func of(_ tenant: String, _ name: String) -> UInt64 {
        var text = tenant
        text.append("\0")
        text.append(name)
        return text.withUTF8 { XXH3.hash($0) }
    }
}
