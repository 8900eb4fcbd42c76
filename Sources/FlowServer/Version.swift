/// The release this is built from; the CLI and the log show it.
package enum Version {
    package static let current = "0.1.0"
}
