/// One SQL statement. Each connection prepares it once, when it is first used there, under a name derived from `name`.
///
/// Two statements with the same `name` must have the same SQL; keep them as static constants.
package struct Statement: Sendable {
    /// At most 50 bytes: the server tells prepared statements apart by 63, and a number may follow.
    package let name: String
    package let sql: String
    /// Types of `$1`, `$2`, …, in order. The values of `Parameters` must be appended in the same types.
    package let parameterTypes: [OID]

    package init(name: String, sql: String, parameterTypes: [OID]) {
        self.name = name
        self.sql = sql
        self.parameterTypes = parameterTypes
    }
}
