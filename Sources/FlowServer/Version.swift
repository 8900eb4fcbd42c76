/// The release this is built from; the CLI and the log show it.
public enum Version {
    public static let current = "0.1.0"
}
