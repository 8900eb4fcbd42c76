import FoundationEssentials

/// Where notifications are delivered, and the secret that signs them. Neither is written to the log: the URL may be a secret too.
package struct WebhookOptions: Sendable {
    let url: String
    let host: String
    let secret: [UInt8]

    /// Why the options are invalid; for the operator.
    package struct Fault: Error, CustomStringConvertible {
        package let description: String
    }

    package init(url: String, secret: String) throws(Fault) {
        guard let parsed = URL(string: url), ["http", "https"].contains(parsed.scheme?.lowercased()), let host = parsed.host,
            !host.isEmpty
        else { throw Fault(description: "the webhook's URL must be http://… or https://…, with a host") }
        guard parsed.user == nil, parsed.password == nil else {
            throw Fault(description: "the webhook's URL must not have a user or a password: requests are signed with the secret")
        }
        guard !secret.isEmpty else { throw Fault(description: "the webhook needs a secret, with which its receiver verifies the sender") }
        self.url = url
        self.host = host
        self.secret = Array(secret.utf8)
    }
}
