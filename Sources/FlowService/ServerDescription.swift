import FlowModel

/// What a server says about itself (`GetServerInfo`). A class, since the context of every call holds it.
package final class ServerDescription: Sendable {
    /// The release.
    package let version: String
    package let startedAt: ContinuousClock.Instant
    /// What is switched on, by name.
    package let features: [String]
    package let limits: Limits

    package init(
        version: String = "", startedAt: ContinuousClock.Instant = .now, features: [String] = [], limits: Limits = .defaults
    ) {
        self.version = version
        self.startedAt = startedAt
        self.features = features
        self.limits = limits
    }
}
